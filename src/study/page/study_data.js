// The data of this page, and what of them is shown.

const model = (study && study.model) || {};
const settings = (study && study.settings) || {};
const text = (study && study.text) || {};
const modelGroups = model.groups || [];
const checkpoints = (study && study.checkpoints) || [];
const findings = (study && study.findings) || [];
const loopedGroups = listLoopedGroups();

const state = {
  checkpoint: Math.max(0, checkpoints.length - 1),
  hidden: new Set(),
  relativeStep: true,
  token: 0,
};

function listLoopedGroups() {
  const seen = new Map();
  for (const checkpoint of checkpoints) {
    for (const group of checkpoint.groups || []) {
      if (!seen.has(group.group)) seen.set(group.group, groupName(group));
    }
  }
  return [...seen].sort((a, b) => a[0] - b[0]).map(([index, name], order) => ({index, name, order}));
}

function groupName(group) {
  const described = modelGroups[group.group] || {};
  return String(group.name || described.name || 'group ' + group.group);
}

const currentCheckpoint = () => checkpoints[state.checkpoint];
const visibleGroups = () => loopedGroups.filter(group => !state.hidden.has(group.index));
const finding = id => findings.find(candidate => candidate.id === id);
const groupData = (checkpoint, group) => (checkpoint.groups || []).find(entry => entry.group === group.index);
const loopsOf = (checkpoint, group) => (groupData(checkpoint, group) || {}).loops_data || [];

/** Middles of one quantity over the loops of a group, without the undefined ones. */
function middles(checkpoint, group, quantity) {
  return loopsOf(checkpoint, group).map(loop => middle(loop[quantity])).filter(isNumber);
}

/** Calls visit(checkpoint, group, loop) for everything measured; used for axes that all checkpoints share. */
function eachLoop(visit) {
  for (const checkpoint of checkpoints) {
    for (const group of loopedGroups) {
      for (const loop of loopsOf(checkpoint, group)) visit(checkpoint, group, loop);
    }
  }
}

function allValues(quantity) {
  const values = [];
  eachLoop((checkpoint, group, loop) => values.push(...valuesOfDistribution(loop[quantity])));
  return values.filter(isNumber);
}

function allDriftValues() {
  const values = checkpoints.map(checkpoint =>
    loopedGroups.map(group => valuesOfDistribution((groupData(checkpoint, group) || {}).drift_to_loop)));
  return values.flat(2).filter(isNumber);
}

const stepName = checkpoint => (isNumber(checkpoint.step) ? 'step ' + integer(checkpoint.step) : 'this checkpoint');

const loopedGroupAt = index => loopedGroups.find(group => group.index === index);

function nameOfGroupAt(index) {
  const looped = loopedGroupAt(index);
  return looped ? looped.name : groupName({group: index});
}

/** {label, rows: [{group, value}]}; groups without a value are left out. */
function perGroup(label, describe) {
  const rows = loopedGroups.map(group => ({group, value: describe(group)})).filter(row => row.value);
  return {label, rows};
}
