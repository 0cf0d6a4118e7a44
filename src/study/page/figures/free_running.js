// Texts that the model writes itself: how often they differ from what it would write at full depth.

/** Points of free running of some trials: `estimate(trial)` is what goes up. */
function freePoints(trials, estimate) {
  return trials.filter(freeOf).map(trial => ({...asPoint(freeOf(trial).loops_per_token, estimate(freeOf(trial))), trial}))
    .filter(({x, value}) => isNumber(x) && isNumber(value));
}

const FREE_COST = 'disagreement';

function describeFree({trial}) {
  const free = freeOf(trial);
  return [trial.rule || `fixed:loops=${trial.loops}`, [
    ['loops/token', number(free.loops_per_token)],
    ['differs from full depth', level(free.disagreement.value, FREE_COST)],
    ['interval', interval(free.disagreement, value => level(value, FREE_COST))],
    ...(free.minus_dealt ? [['− dealt', differenceWithInterval(free.minus_dealt, FREE_COST)]] : []),
    ...(free.minus_constants_at_its_loops ?
      [['− constant depths', differenceWithInterval(free.minus_constants_at_its_loops, FREE_COST)]] : []),
  ]];
}

function drawFreeRunning(parent) {
  const checkpoint = currentCheckpoint();
  if (!hasFreeRuns(checkpoint)) return appendNote(parent, 'No text was written at this checkpoint.');
  const series = estimate => visibleRules().map(rule => ({rule, points: freePoints(pointsOf(checkpoint, rule), estimate)}));
  const panels = [
    ['Positions that differ from full depth', free => free.disagreement,
      freePoints(constantsOf(checkpoint), free => free.disagreement)],
    ['Minus its own depths, dealt out', free => free.minus_dealt, []],
    ['Minus constant depths at its loops', free => free.minus_constants_at_its_loops, []],
  ];
  appendConstantsLegend(parent);
  const {row, width} = appendRow(parent, panels.length, 320, 3);
  for (const [title, estimate, constants] of visibleRules().length ? panels : panels.slice(0, 1)) {
    drawFronts(row.append('div'), {
      width, height: 330, title, label: 'share of the tokens written', x: 'loops/token, as written', cost: FREE_COST,
      series: series(estimate), constants, range: state.range === 'all' ? 'all' : 'rules', describe: describeFree, lines: constants.length > 0,
    });
  }
}

function freeNumbers(checkpoint) {
  const points = visibleRules().map(rule => pointsOf(checkpoint, rule)).flat().map(freeOf).filter(Boolean);
  const count = estimate => verdictWords(countVerdicts(points.map(estimate)));
  return {
    label: 'Points of all rules shown, against',
    rows: [
      {group: {name: 'dealt depths', order: 0}, value: count(free => free.minus_dealt)},
      {group: {name: 'constant depths', order: 2}, value: count(free => free.minus_constants_at_its_loops)},
    ],
  };
}

const freeRunningFigure = {
  id: 'free',
  title: 'Texts that the model writes itself',
  draw: drawFreeRunning,
  shown: () => checkpoints.some(hasFreeRuns),
  axes:
    'Across: loops per token while writing. Up, first panel: the share of written tokens that differ from the text of full ' +
    'depth at the same position, with 95 % intervals; then the same minus the controls, paired. The cost chosen above ' +
    'changes nothing here.',
  reading:
    'The model goes on greedily behind the first tokens of each unit, which are read at full depth. Once two texts part, ' +
    'most later positions differ, so the share tells how early that happens; a text that differs need not be a worse one.',
  numbers: freeNumbers,
};
