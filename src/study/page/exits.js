// The page of a comparison of exit rules: header, verdicts, figures, numbers.

const FIGURES = [
  frontsFigure, controlsFigure, thresholdsFigure, oraclesFigure, freeRunningFigure, tasksFigure, frontTrainingFigure,
];
const shownFigures = FIGURES.filter(({shown}) => !shown || shown());

function buildHeader() {
  d3.select('#title').text(document.title);
  d3.select('#kicker').text([result.program, 'study exits', result.date].filter(Boolean).join(' · '));
  d3.select('#command').text(result.command || '');
  d3.select('#colophon').text(
    `Written by ${result.program || 'gyre'}${result.date ? ' on ' + result.date : ''}. ` +
    'The measurements depend on everything that is listed at the top of this page.');
}

function leadText(checkpoint) {
  const points = d3.sum(rules, rule => pointsOf(checkpoint, rule).length);
  const models = checkpoints.length > 1 ? `, at ${plural(checkpoints.length, 'checkpoint')}` : '';
  return `A looped transformer may let a token leave its loops early. This page compares ${plural(rules.length, 'rule')} that ` +
    `decide when, at ${plural(points, 'threshold')} in all${models}: what they save and what they cost on ` +
    `${plural(checkpoint.tokens, 'token')} of text.`;
}

function stackOf(checkpoint) {
  let order = -1;
  return (checkpoint.groups || []).map(group =>
    ({name: group.name, layers: group.layers, loops: group.loops, series: group.looped ? {order: ++order} : null}));
}

function renderHeader() {
  const checkpoint = currentCheckpoint();
  d3.select('#lead').text(leadText(checkpoint));
  buildStack(stackOf(checkpoint));
  renderFacts(exitFacts(checkpoint));
  d3.select('#warnings').selectAll('li').data(warningsOf(checkpoint)).join('li').text(warning => warning);
}

function buildBar() {
  buildCheckpointControl(checkpoints.length, state.checkpoint, chosen => {
    state.checkpoint = chosen;
    if (state.axis === 'time' && !hasTimes(currentCheckpoint())) state.axis = 'loops';
    render();
  });
  const toggles = d3.select('#toggles');
  toggles.append('span').text('Rules');
  const buttons = toggles.selectAll('button').data(rules).join('button').attr('type', 'button').attr('class', 'rule')
    .on('click', toggleRule)
    .on('pointerenter focus', rule => highlight(rule)).on('pointerleave blur', () => highlight(null));
  buttons.each(function (rule) {
    appendBadge(d3.select(this), rule);
  });
  buttons.append('span').text(rule => rule.name);
  if (rules.length < 2) return;
  toggles.append('button').attr('type', 'button').attr('class', 'every').on('click', toggleAll);
}

function toggleRule(rule) {
  if (!state.hidden.delete(rule.order)) state.hidden.add(rule.order);
  render();
}

function toggleAll() {
  const hide = !state.hidden.size;
  state.hidden.clear();
  if (hide) rules.forEach(({order}) => state.hidden.add(order));
  render();
}

/** Lets the other rules fade; null brings them back. */
function highlight(rule) {
  d3.selectAll('.front').classed('faint', function () {
    return rule !== null && Number(this.dataset.rule) !== rule.order;
  });
}

function renderBar() {
  const checkpoint = currentCheckpoint();
  const place = checkpoints.length > 1 ? `${state.checkpoint + 1} of ${checkpoints.length}: ${stepName(checkpoint)}` : '';
  d3.select('#readout').text(place).style('display', place ? null : 'none');
  d3.select('#checkpoint').attr('aria-valuetext', stepName(checkpoint));
  d3.selectAll('#toggles button.rule').attr('aria-pressed', rule => !state.hidden.has(rule.order));
  d3.select('#toggles button.every').text(state.hidden.size ? 'all' : 'none');
  renderControls(d3.select('#costs'), parent =>
    appendChoice(parent, 'Cost', Object.keys(COSTS).map(cost => [cost, COSTS[cost].name]), state.cost, cost => {
      state.cost = cost;
      render();
    }));
}

function fillCaption(caption, figure) {
  appendLabelled(caption.append('p'), 'Axes', figure.axes);
  appendLabelled(caption.append('p'), 'How to read it', figure.reading);
  const here = caption.append('div');
  here.append('p').append('b').text(checkpoints.length > 1 ? `Seen here, at ${stepName(currentCheckpoint())}` : 'Seen here');
  if (figure.seen) here.selectAll('.seen').data(figure.seen(currentCheckpoint())).join('p').text(line => line);
  if (!figure.numbers) return;
  const numbers = figure.numbers(currentCheckpoint());
  appendNumbersTable(here.classed('wide', numbers.rows.length > 5), numbers);
}

function render() {
  hideTip();
  renderHeader();
  renderBar();
  renderVerdicts();
  for (const figure of shownFigures) renderFigure(figure, fillCaption);
  renderTable();
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
  buildVerdicts();
  buildFigures(shownFigures);
  buildTable();
  render();
  drawOnResize(render);
}

start();
