// The page of a study: header, findings, figures, numbers.

const FIGURES = [
  stepsFigure, cosineFigure, accelerationFigure, driftFigure, lensFigure, trajectoryFigure, heatFigure, trainingFigure,
  stabilityFigure, attentionFigure, geometryFigure,
];

const shownFigures = FIGURES.filter(figure =>
  (!figure.needsSeveral || checkpoints.length > 1) && (!figure.measured || figure.measured()));
const figureNumber = figure => shownFigures.indexOf(figure) + 1;

function buildHeader() {
  d3.select('#title').text(document.title);
  d3.select('#kicker').text([study.program, 'study', study.date].filter(Boolean).join(' · '));
  d3.select('#command').text(study.command || '');
  d3.select('#colophon').text(
    `Written by ${study.program || 'gyre'}${study.date ? ' on ' + study.date : ''}. ` +
    'The measurements depend on everything that is listed at the top of this page.');
  buildStack(modelGroups.map(stackGroup));
}

const loopsRun = (group, i) => (isNumber((settings.loops || [])[i]) ? settings.loops[i] : group.loops);

function stackGroup(group, i) {
  return {
    name: group.name || `group ${i}`, layers: group.layers, loops: loopsRun(group, i), specified: group.loops,
    series: loopedGroupAt(i),
  };
}

const numberFormat = name => ((settings.number_types || {})[name] || []).join(' and ');

function facts(checkpoint) {
  const unit = text.unit ? ` (${text.unit})` : '';
  return [
    ['Model', model.name],
    ['Model hash, selected checkpoint', checkpoint.model_hash],
    ['Checkpoint', checkpoint.path],
    ['Parameters', integer(model.parameters)],
    ['Hidden size', isNumber(model.hidden_size) ? integer(model.hidden_size) + ' numbers' : null],
    ['Vocabulary', isNumber(model.vocab_size) ? plural(model.vocab_size, 'token') : null],
    ['Text', [text.file, text.split].filter(Boolean).join(', ')],
    ['Tokens measured', isNumber(text.tokens) ? integer(text.tokens) + unit : null],
    ['Window', isNumber(text.window) ? plural(text.window, 'token') : null],
    ['Every window begins with', (text.begins_with || []).map(visibleText).join(' ')],
    ['Window goes in', settings.token_by_token ? 'token by token' : 'at once'],
    ['Weights', numberFormat('weights')],
    ['Activations', numberFormat('activations_in_prompts')],
    ['Keys and values', [settings.kv_policy, settings.kv_type].filter(Boolean).join(', ').replace(/_/g, ' ')],
    ['First states', settings.first_state],
    ['Instruction set', settings.isa],
    ['Seed', settings.seed],
    ['Threads', settings.threads],
    ['Cross-entropy', isNumber(checkpoint.ce) ? `${number(checkpoint.ce)} nats per token` : null],
  ];
}

function buildBar() {
  buildCheckpointControl(checkpoints.length, state.checkpoint, chosen => {
    state.checkpoint = chosen;
    render();
  });
  const toggles = d3.select('#toggles');
  toggles.append('span').text('Groups');
  const buttons = toggles.selectAll('button').data(loopedGroups).join('button').attr('type', 'button')
    .on('click', toggleGroup);
  buttons.each(function (group) {
    appendBadge(d3.select(this), group);
  });
  buttons.append('span').text(group => group.name);
}

function toggleGroup(group) {
  if (!state.hidden.delete(group.index)) state.hidden.add(group.index);
  render();
}

function renderBar() {
  const checkpoint = currentCheckpoint();
  const place = checkpoints.length > 1 ? `${state.checkpoint + 1} of ${checkpoints.length}: ` : '';
  const loss = isNumber(checkpoint.ce) ? `, cross-entropy ${number(checkpoint.ce)} nats per token` : '';
  d3.select('#readout').text(place + stepName(checkpoint) + loss);
  d3.select('#checkpoint').attr('aria-valuetext', stepName(checkpoint));
  d3.selectAll('#toggles button').attr('aria-pressed', group => !state.hidden.has(group.index));
}

const VERDICTS = {
  'holds': {mark: '✓', label: '✓ Holds here', colour: 'var(--holds)'},
  'does not hold': {mark: '✗', label: '✗ Does not hold here', colour: 'var(--fails)'},
  'unclear': {mark: '○', label: '○ Unclear from these data', colour: 'var(--open)'},
};
const verdictOf = ({verdict}) => VERDICTS[verdict] || VERDICTS.unclear;

function buildFindings() {
  const section = d3.select('#main').append('section').attr('id', 'findings');
  section.append('h2').text('Findings at a glance');
  if (!findings.length) return appendNote(section, 'No findings were stored.');
  const holding = findings.filter(({holds}) => holds === true).length;
  const failing = findings.filter(({holds}) => holds === false).length;
  const undecided = findings.length - holding - failing;
  section.append('p').text(`Of ${plural(findings.length, 'statement')} tested on this model: ` +
    `${holding} confirmed, ${failing} not confirmed, ${undecided} unclear from these data. ` +
    'Sentences and evidence are of the last checkpoint; the last table of a card follows the selected one.');
  section.append('div').attr('class', 'cards').selectAll('article').data(findings).join('article').attr('class', 'card')
    .each(function (entry) {
      appendCard(d3.select(this), entry);
    });
}

function appendCard(card, entry) {
  const verdict = verdictOf(entry);
  const figure = shownFigures.find(candidate => candidate.finding === entry.id);
  card.style('--verdict', verdict.colour);
  card.append('p').attr('class', 'verdict').text(verdict.label);
  card.append('h3').text(entry.title || entry.id);
  appendLabelled(card.append('p'), 'Paper', sentence(entry.paper));
  if (entry.here) appendLabelled(card.append('p'), 'This model', sentence(entry.here));
  appendNumbersTable(card, evidenceOf(entry));
  card.append('div').attr('class', 'card-numbers');
  if (figure) {
    card.append('p').attr('class', 'more').append('a').attr('href', '#' + figure.id)
      .text(`Figure ${figureNumber(figure)}`);
  }
}

function evidenceOf(entry) {
  const evidence = entry.evidence || [];
  const least = d3.min(evidence, ({windows}) => windows);
  return {
    label: `Evidence: value (95 % interval over ${plural(least, 'window')}), and where it has to lie`,
    rows: evidence.map(one => ({
      group: loopedGroups.find(({name}) => name === one.group) || {name: one.group, order: 0},
      value: `${verdictOf(one).mark} ${one.quantity ? one.quantity + ' ' : ''}${estimateText(one.value, one.interval)}; ${boundsText(one)}`,
    })),
  };
}

function renderCardNumbers() {
  d3.selectAll('.card').each(function (entry) {
    const holder = d3.select(this).select('.card-numbers');
    const figure = shownFigures.find(candidate => candidate.finding === entry.id);
    holder.selectAll('*').remove();
    if (figure) appendNumbersTable(holder, figure.numbers(currentCheckpoint()));
  });
}

function renderCaption(caption, figure) {
  const entry = finding(figure.finding) || {};
  const checkpoint = currentCheckpoint();
  appendLabelled(caption.append('p'), 'Axes', figure.axes);
  appendLabelled(caption.append('p'), 'Paper', sentence(entry.paper || figure.paper));
  const here = caption.append('div');
  appendLabelled(here.append('p'), 'This model', sentence(entry.here) || `At ${stepName(checkpoint)}:`);
  appendNumbersTable(here, figure.numbers(checkpoint));
  if (figure.caveat) here.append('p').text(figure.caveat());
}

const LEDGER = [
  ['loop', loop => integer(loop.loop)],
  ['step norm (L2)', loop => number(middle(loop.step))],
  ['relative step', loop => number(middle(loop.relative_step))],
  ['cosine', loop => signed(middle(loop.cosine))],
  ['acceleration (L2)', loop => number(middle(loop.acceleration))],
  ['normalised acceleration', loop => number(middle(loop.normalised_acceleration))],
  ['contraction', loop => number(middle(loop.contraction))],
  ['steps that are rounding', loop => integer(loop.below_floor)],
  ['lens cross-entropy (nats/token)', loop => number(lensValue(loop, 'ce'))],
  ['lens entropy (nats/token)', loop => number(lensValue(loop, 'entropy'))],
  ['KL to last loop (nats/token)', loop => number(lensValue(loop, 'kl_to_last'))],
  ['top token changed', loop => percent(lensValue(loop, 'argmax_flips'))],
  ['top token is not the model’s', loop => percent(lensValue(loop, 'differs_from_full_depth'))],
];

function buildLedger() {
  const section = d3.select('#main').append('section').attr('id', 'numbers');
  section.append('h2').text('The numbers');
  const details = section.append('details');
  details.append('summary').text('Per group and loop, at the selected checkpoint: medians over tokens; for the lens, means');
  details.append('div').attr('id', 'ledger').attr('class', 'scroll');
}

function renderLedger() {
  const holder = d3.select('#ledger');
  holder.selectAll('*').remove();
  for (const group of visibleGroups()) {
    const table = holder.append('table').attr('class', 'ledger');
    table.append('caption').text(group.name);
    table.append('thead').append('tr').selectAll('th').data(LEDGER).join('th').attr('scope', 'col')
      .text(([label]) => label);
    const rows = table.append('tbody').selectAll('tr').data(loopsOf(currentCheckpoint(), group)).join('tr');
    rows.selectAll('td').data(loop => LEDGER.map(([, format]) => format(loop))).join('td').text(value => value);
  }
}

function render() {
  hideTip();
  renderFacts(facts(currentCheckpoint()));
  renderBar();
  renderCardNumbers();
  for (const figure of shownFigures) renderFigure(figure, renderCaption);
  renderLedger();
}

function explainMissingData() {
  d3.select('#title').text('No measurements');
  d3.select('#bar').remove();
  d3.select('#main').append('p').text('This page holds no measurements: no checkpoint was studied.');
}

function start() {
  if (!checkpoints.length) return explainMissingData();
  buildHeader();
  buildBar();
  buildFindings();
  buildFigures(shownFigures);
  buildLedger();
  render();
  drawOnResize(render);
}

start();
