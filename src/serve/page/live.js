// The page: its controls, and what happens when they are used.

const state = {
  models: [], model: null, turns: [], panes: [], running: null, key: '', chosen: null,
  rules: [{rule: ruleNamed('accel'), place: 0}, {rule: ruleNamed('fixed'), place: 0}],
};

const byId = id => d3.select(`#${id}`);
const valueOf = id => byId(id).property('value');
const isChat = () => d3.select('input[name=mode]:checked').property('value') === 'chat';
const isCompared = () => byId('compare').property('checked');
const sayStatus = text => byId('status').text(text);

function showAlert(text) {
  byId('alert').text(text).attr('hidden', text ? null : '');
}

function showKeyForm(shown) {
  byId('key-form').attr('hidden', shown ? null : '');
  if (shown) byId('key').node().focus();
}

// Rules.

function buildRule(side) {
  const holder = d3.select(`.rule[data-side="${side}"]`);
  const chosen = state.rules[side];
  holder.selectAll('*').remove();
  const label = holder.append('label').attr('class', 'field');
  label.append('span').attr('class', 'rule-name');
  const select = label.append('select').attr('id', `rule-${side}`);
  select.selectAll('option').data(rulesFor(state.model)).join('option').attr('value', rule => rule.name)
    .property('selected', rule => rule === chosen.rule).text(rule => rule.label);
  const slider = holder.append('label').attr('class', 'slider');
  slider.append('span').text('Threshold');
  slider.append('input').attr('type', 'range').attr('min', 0).attr('max', 1).attr('step', 'any')
    .attr('id', `threshold-${side}`);
  slider.append('output').attr('for', `threshold-${side}`);
  const ends = holder.append('div').attr('class', 'ends');
  ends.append('span').text('more loops');
  ends.append('span').text('fewer loops');
  holder.append('p').attr('class', 'note');
  select.on('change', () => {
    chosen.rule = ruleNamed(select.property('value'));
    chosen.place = chosen.rule.start || 0;
    showRule(side);
  });
  holder.select('input').on('input', () => {
    chosen.place = Number(holder.select('input').property('value'));
    showRule(side);
  });
  showRule(side);
}

function showRule(side) {
  const holder = d3.select(`.rule[data-side="${side}"]`);
  const {rule, place} = state.rules[side];
  const text = thresholdText(rule, thresholdAt(rule, place, state.model));
  holder.select('.rule-name').text(isCompared() ? `Exit rule ${SIDES[side]}` : 'Exit rule');
  holder.select('.slider').classed('unused', !rule.key);
  holder.select('.ends').classed('unused', !rule.key);
  holder.select('input').property('value', place).property('disabled', !rule.key).attr('aria-valuetext', text);
  holder.select('output').text(text);
  holder.select('.note').text(rule.help);
}

const exitOf = ({rule, place}) => exitText(rule, thresholdAt(rule, place, state.model));

// Models and modes.

function chooseModel(model) {
  state.model = model;
  byId('model-facts').text(modelFacts(model));
  for (const rule of state.rules) {
    if (!rulesFor(model).includes(rule.rule)) rule.rule = RULES[0];
    rule.place = rule.rule.start || 0;
  }
  const chats = model.gyre.chat;
  d3.select('input[value=chat]').property('disabled', !chats).property('checked', chats);
  d3.select('input[value=text]').property('checked', !chats);
  byId('mode-note').text(chats ? '' : 'This model came without a chat template.');
  buildRule(0);
  buildRule(1);
  begin();
}

/** Forgets what was said. */
function begin() {
  state.turns = [];
  state.chosen = null;
  state.panes = buildPanes(byId('panes'), isCompared() ? 2 : 1);
  for (const pane of state.panes) appendEmptyState(pane);
  byId('path').selectAll('*').remove();
  byId('clear').attr('hidden', '');
  byId('prompt').attr('placeholder', isChat() ? 'Say something' : 'How a text begins, for example: Once upon a time');
  d3.select('.rule[data-side="1"]').attr('hidden', isCompared() ? null : '');
  for (const side of [0, 1]) showRule(side);
}

function settingsNow() {
  const whole = (id, least) => Math.max(least, Math.round(Number(valueOf(id)) || 0));
  return {
    tokens: whole('tokens', 1), temperature: Math.max(0, Number(valueOf('temperature')) || 0),
    seed: Math.round(Number(valueOf('seed')) || 0), words: Math.min(20, whole('words', 0)),
  };
}

// Generating.

function setRunning(controller) {
  state.running = controller;
  byId('generate').property('disabled', controller !== null);
  byId('stop').property('disabled', controller === null);
  for (const id of ['model', 'compare', 'clear']) byId(id).property('disabled', controller !== null);
  d3.selectAll('input[name=mode]').property('disabled', function () {
    return controller !== null || (this.value === 'chat' && !state.model.gyre.chat);
  });
}

function choose(element) {
  d3.selectAll('.token[aria-selected=true]').attr('aria-selected', 'false');
  state.chosen = d3.select(element).attr('aria-selected', 'true').datum();
  showChosen();
}

function showChosen() {
  if (state.chosen) showPath(byId('path'), state.chosen.answer, state.chosen.number, state.model);
}

function refresh(pane, answer) {
  showStatistics(pane, statistics(answer, state.model));
  showDepths(pane, answer, state.model);
}

async function answerOn(side, prompt, controller) {
  const pane = state.panes[side];
  const mode = isChat() ? 'chat' : 'text';
  const exit = exitOf(state.rules[side]);
  const answer = newAnswer();
  const list = appendTurn(pane, prompt, mode, choose);
  pane.select('.pane-rule').text(exit === 'fixed' ? 'full depth' : exit);
  pane.select('.pane-end').text('');
  const request = requestFor({
    mode, model: state.model, prompt, messages: messagesOf(state.turns, side, prompt), exit, settings: settingsNow(),
  });
  let drawn = 0;
  let waiting = false;
  const draw = () => {
    waiting = false;
    for (; drawn < answer.tokens.length; ++drawn) appendToken(list, answer, drawn, state.model);
    refresh(pane, answer);
  };
  answer.started = performance.now();
  try {
    await ask(request, state.key, controller.signal, chunk => {
      takeChunk(answer, chunk, performance.now());
      if (waiting) return;
      waiting = true;
      setTimeout(draw, 30);
    });
  } finally {
    draw();
    pane.select('.pane-end').text(endText(answer));
  }
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** One side after the other, so that their speeds can be compared. */
async function generate() {
  const prompt = valueOf('prompt');
  const controller = new AbortController();
  if (!isChat()) begin();
  showAlert('');
  setRunning(controller);
  sayStatus('Generating.');
  const turn = {prompt, answers: []};
  try {
    for (let side = 0; side < state.panes.length && !controller.signal.aborted; ++side) {
      turn.answers.push(await answerOn(side, prompt, controller));
    }
    finishTurn(turn, controller.signal.aborted);
  } catch (mistake) {
    showAlert(mistake.message);
    if (mistake.status === 401) showKeyForm(true);
    sayStatus('');
  } finally {
    setRunning(null);
  }
}

function finishTurn(turn, stopped) {
  const counts = turn.answers.map(answer => answer.tokens.length);
  sayStatus(`${stopped ? 'Stopped' : 'Done'}: ${counts.map(count => plural(count, 'token')).join(' and ')}.`);
  if (turn.answers.length > 1) {
    d3.select('.pane:last-child .pane-end').append('span').attr('class', 'parting')
      .text(' ' + comparisonText(turn.answers[0], turn.answers[1]));
  }
  if (!isChat()) return;
  state.turns.push(turn);
  byId('prompt').property('value', '');
  byId('clear').attr('hidden', null);
}

// The beginning.

async function fetchJson(path) {
  const response = await fetch(path, {headers: state.key ? {Authorization: `Bearer ${state.key}`} : {}});
  return {status: response.status, json: response.ok ? await response.json() : null};
}

async function loadModels() {
  const {json} = await fetchJson('v1/models');
  state.models = json.data.filter(model => !model.gyre.encoder);
  byId('model').selectAll('option').data(state.models).join('option').attr('value', model => model.id)
    .text(model => model.id);
  if (!state.models.length) return showAlert('This server has no model that writes texts.');
  chooseModel(state.models[0]);
}

/** Whether the key is right, or none is needed. */
async function isLetIn() {
  const {status} = await fetchJson('props');
  return status !== 401;
}

function listen() {
  byId('ask').on('submit', () => {
    d3.event.preventDefault();
    if (!state.running && state.model) generate();
  });
  byId('prompt').on('keydown', () => {
    if (d3.event.key !== 'Enter' || !(d3.event.ctrlKey || d3.event.metaKey)) return;
    d3.event.preventDefault();
    byId('generate').node().click();
  });
  byId('stop').on('click', () => state.running && state.running.abort());
  byId('clear').on('click', begin);
  byId('compare').on('change', begin);
  d3.select(window).on('resize', showChosen);
  d3.selectAll('input[name=mode]').on('change', begin);
  byId('model').on('change', () => chooseModel(state.models.find(model => model.id === valueOf('model'))));
  byId('key-form').on('submit', async () => {
    d3.event.preventDefault();
    state.key = valueOf('key');
    const right = await isLetIn();
    showKeyForm(!right);
    showAlert(right ? '' : 'The server does not know this API key.');
    if (right) byId('prompt').node().focus();
  });
}

async function start() {
  listen();
  try {
    await loadModels();
    if (!await isLetIn()) showKeyForm(true);
  } catch (mistake) {
    showAlert('The server cannot be reached. Is it still running?');
  }
}

start();
