// Each rule minus its controls, a panel a rule.

/** Points of one rule against one control. */
function controlPoints(points, control, cost) {
  return points.map(point => ({...asPoint(point.loops_per_token, differenceOf(point, control, cost)), trial: point}))
    .filter(({value}) => isNumber(value));
}

/** Moves marks that stand at the same place a little to the sides. */
function dodged(points, order, count, distance) {
  return points.map(point => ({...point, x: point.x + (order - (count - 1) / 2) * distance}));
}

/** One panel: differences of a rule from `controls`, series of their own. */
function drawDifferencePanel(parent, {width, rule, series, x, y, label, cost, describe}) {
  const frame = appendFrame(parent, {
    width, height: 250, series: rule, title: shortened(rule.name, Math.floor((width - 20) / 8.5)),
    x: {domain: x, ticks: d3.ticks(x[0], x[1], 5), format: tickNumber, label: 'loops/token'},
    y: {kind: 'linear', domain: y, tickFormat: tickOf(cost), label},
  });
  appendReference(frame, 0, '', {solid: true});
  const inside = clippedFrame(frame);
  series.forEach(({control, points}, i) => {
    appendIntervals(inside, control, dodged(points, i, series.length, 0.022 * (x[1] - x[0])), describe);
  });
}

function drawControls(parent) {
  const checkpoint = currentCheckpoint();
  const {cost} = state;
  const panels = visibleRules().map(rule => ({
    rule,
    series: CONTROLS.map(control => ({control, points: controlPoints(pointsOf(checkpoint, rule), control.key, cost)})),
  })).filter(({series}) => series.some(({points}) => points.length));
  if (!panels.length) return appendNote(parent, visibleRules().length ? 'No point has a control here.' : 'No rule is selected.');
  const all = list => list.map(({series}) => series.map(({points}) => points)).flat(2);
  const x = paddedDomain(all(panels).map(point => point.x), 0.08);
  appendLegend(parent, CONTROLS.map(control => ({...control, name: `minus ${control.name}`})));
  const {row, width} = appendRow(parent, panels.length, 250, 4);
  for (const panel of panels) {
    const y = paddedDomain([0, ...endsOf(all(state.ownScales ? [panel] : panels))]);
    drawDifferencePanel(row.append('div'), {
      width, x, y, cost, ...panel, label: `rule − control, ${COSTS[cost].unit}`, describe: ({trial}) => describePoint(trial),
    });
  }
}

function controlsScale(parent) {
  appendChoice(parent, 'Scale', [[false, 'one for all panels'], [true, 'each its own']], state.ownScales, own => {
    state.ownScales = own;
    render();
  });
}

function controlNumbers(checkpoint) {
  const points = visibleRules().map(rule => pointsOf(checkpoint, rule)).flat();
  return {
    label: `Points of all rules shown, by ${COSTS[state.cost].name}`,
    rows: CONTROLS.map(control => ({
      group: control,
      value: verdictWords(countVerdicts(points.map(point => differenceOf(point, control.key, state.cost)))),
    })),
  };
}

const controlsFigure = {
  id: 'controls',
  title: 'Each rule against its controls',
  draw: drawControls,
  controls: controlsScale,
  axes:
    'One panel a rule. Across: loops per token of the point, marks of one point set side by side. Up: the cost of the rule ' +
    'minus that of the control, with its paired 95 % interval.',
  reading:
    'Below 0 the rule is the better one. Against its own depths dealt over all tokens: whether it finds the tokens that can ' +
    'leave early. Dealt within units: whether it finds them inside one unit too. Against constant depths: whether the ' +
    'trouble pays at all; depths that vary cost something by themselves, so a rule may beat its dealt depths and lose here.',
  numbers: controlNumbers,
};
