// The heights of the fronts over the checkpoints of a training run, or over models.

/** The height of one rule's front at every checkpoint that has it. */
function heightsOverTraining(rule, cost) {
  const {places} = trainingPlaces(checkpoints);
  return checkpoints.map((checkpoint, i) => {
    const above = (frontOf(checkpoint, rule) || {}).front_minus_constants || {};
    return {...asPoint(places[i], above[cost]), estimate: above[cost], checkpoint};
  }).filter(({value}) => isNumber(value));
}

function drawFrontTraining(parent) {
  const {cost} = state;
  if (!visibleRules().length) return appendNote(parent, 'No rule is selected.');
  const series = visibleRules().map(rule => ({rule, points: heightsOverTraining(rule, cost)}));
  const all = series.map(({points}) => points).flat();
  if (!all.length) return appendNote(parent, 'No front of the rules shown can be held against the constants.');
  const {places, ordered} = trainingPlaces(checkpoints);
  const width = Math.min(parent.node().clientWidth, 860);
  const x = paddedDomain(places, 0.06);
  const few = places.length * 80 < width;
  const frame = appendFrame(parent, {
    width, height: 380, title: 'Height of the fronts',
    x: {
      domain: x, label: ordered ? 'training step' : 'checkpoint', ticks: few ? places : d3.ticks(x[0], x[1], width / 120),
      format: place => (ordered ? integer(place) : folderName((checkpoints[place - 1] || {}).path)),
    },
    y: {kind: 'linear', domain: paddedDomain([0, ...endsOf(all)]), tickFormat: tickOf(cost), label: `${COSTS[cost].name} above constants, ${COSTS[cost].unit}`},
  });
  appendReference(frame, 0, '', {solid: true});
  const selected = frame.x(places[state.checkpoint]);
  frame.plot.append('line').attr('class', 'cursor').attr('x1', selected).attr('x2', selected)
    .attr('y2', frame.inner.height);
  for (const {rule, points} of series) {
    const own = {...frame, plot: frame.plot.append('g').attr('class', 'front').attr('data-rule', rule.order)};
    appendThinLine(own, rule, points);
    appendIntervals(own, rule, points, ({estimate, checkpoint}) => [
      rule.name, [[stepName(checkpoint), differenceWithInterval(estimate, cost)], ['verdict', verdictOf(estimate)]],
    ]);
  }
}

function frontTrainingNumbers() {
  return perRule(`First → last checkpoint that has it, ${COSTS[state.cost].unit}`, rule => {
    const points = heightsOverTraining(rule, state.cost);
    if (points.length < 2) return null;
    const text = ({estimate}) => `${difference(estimate.value, state.cost)} ${verdictOf(estimate)}`;
    return `${text(points[0])} → ${text(last(points))}`;
  });
}

const frontTrainingFigure = {
  id: 'training',
  title: 'Across checkpoints',
  draw: drawFrontTraining,
  shown: () => checkpoints.length > 1,
  axes:
    'Across: the training step of the checkpoint, or its place where there are no steps; the vertical line is the selected ' +
    'one. Up: the height of each front over the constants (0), with its 95 % interval.',
  reading:
    'Below 0 a rule beats constant depths at that checkpoint. Intervals are paired within a checkpoint, not between two: ' +
    'whether a rule got better from one to the next is not tested here.',
  numbers: frontTrainingNumbers,
};
