// Figures over the loops of a group have one panel a group, x = loop, y = the distribution of one quantity.

const PAPER_COSINE = [0.5, 0.65];

function loopPoints(loops, quantity) {
  return loops.map(loop => {
    const distribution = loop[quantity] || {};
    return {x: loop.loop, value: middle(loop[quantity]), low: distribution.p10, high: distribution.p90};
  });
}

/** One panel per visible group, x = loop, y = the distribution of one quantity. Axes are shared by all checkpoints. */
function drawLoopPanels(parent, {quantity, label, kind, domain, format = number, tickFormat, decorate = () => {}}) {
  const groups = visibleGroups();
  if (!groups.length) return appendNote(parent, 'No group is selected.');
  if (!domain) return appendNote(parent, 'This quantity was not measured.');
  const {row, width} = appendRow(parent, groups.length);
  for (const group of groups) {
    const loops = loopsOf(currentCheckpoint(), group);
    const cell = row.append('div');
    const final = d3.max(loops, loop => loop.loop) || 1;
    const frame = appendFrame(cell, {
      width, series: group, title: group.name,
      x: {domain: [0.5, final + 0.5], ticks: loopTicks(1, final, width - 62), label: 'loop'},
      y: {kind, domain, tickFormat, label},
    });
    decorate(frame);
    appendSeries(frame, group, loopPoints(loops, quantity));
    const measured = loops.filter(loop => loop[quantity]);
    attachHover(frame, measured.map(loop => loop.loop), position => [
      `${group.name}, loop ${position}`,
      distributionRows(measured.find(loop => loop.loop === position)[quantity], format),
    ]);
  }
}

const probesOf = (checkpoint, group) =>
  ((checkpoint.probes || {}).groups || []).find(entry => entry.group === group.index) || {};

function estimate(value, format = number) {
  if (!value || !isNumber(value.value)) return NONE;
  return `${format(value.value)} [${value.interval_95.map(end => format(end)).join(', ')}]`;
}

/** A domain of the medians and intervals of all checkpoints and groups, with the values `within` in view. */
function estimatesDomain(estimatesOf, within = []) {
  const all = checkpoints.flatMap(checkpoint => loopedGroups.flatMap(group => estimatesOf(checkpoint, group)));
  return linearDomain([...within, ...all.filter(Boolean).flatMap(entry => [entry.value, ...entry.interval_95])]);
}

/** One panel a group that has any: a median of sampled tokens in each loop (null: none), with its interval. */
function drawEstimatePanels(parent, {estimatesOf, domain, label, missing, decorate = () => {}}) {
  const groups = visibleGroups().filter(group => estimatesOf(currentCheckpoint(), group).some(Boolean));
  if (!groups.length) return appendNote(parent, missing);
  const {row, width} = appendRow(parent, groups.length);
  for (const group of groups) {
    const estimates = estimatesOf(currentCheckpoint(), group);
    const points = estimates.map((entry, i) => {
      const [low, high] = entry ? entry.interval_95 : [];
      return {x: i + 1, low, high, ...entry};
    });
    const frame = appendFrame(row.append('div'), {
      width, series: group, title: group.name,
      x: {domain: [0.5, estimates.length + 0.5], ticks: loopTicks(1, estimates.length, width - 62), label: 'loop'},
      y: {kind: 'linear', domain, label},
    });
    decorate(frame);
    appendIntervals(frame, group, points, point => [
      `${group.name}, loop ${point.x}`,
      [['median', number(point.value)], ['95 % interval', `${number(point.low)} to ${number(point.high)}`],
        ['tokens', integer(point.tokens)]],
    ]);
  }
}

const PER_LOOP_AXES = 'One panel per looped group. Across: the loop.';
