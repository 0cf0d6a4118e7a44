// The fronts: what leaving early costs over how much it saves.

function appendConstantsLegend(parent) {
  const entry = parent.append('p').attr('class', 'legend').append('span');
  appendBadge(entry, null);
  entry.append('span').text('constant depths, with their 95 % band');
}

function appendThinLine({plot, x, y}, series, points) {
  plot.append('path').attr('class', 'line thin').attr('stroke', seriesColour(series))
    .attr('stroke-dasharray', seriesDash(series)).attr('d', d3.line().x(point => x(point.x)).y(point => y(point.value))(points));
}

/** The fronts of `series`: [{rule, points}], beside constants, over one axis. `describe(point)` gives a tooltip. */
function drawFronts(parent, {width, height, title, x: xAxis, label, cost, series, constants, range, describe, lines = true}) {
  const {x, y} = frontDomains(series.map(({points}) => points), constants, range);
  if (!x || !y) return appendNote(parent, `${title}: not measured.`);
  const frame = appendFrame(parent, {
    width, height, title,
    x: {domain: x, ticks: d3.ticks(x[0], x[1], Math.max(3, Math.min(12, width / 90))), format: tickNumber, label: xAxis},
    y: {kind: 'linear', domain: y, tickFormat: tickOf(cost), label},
  });
  appendReference(frame, 0, '', {solid: true});
  const inside = clippedFrame(frame);
  appendSeries(inside, null, constants);
  for (const {rule, points} of series) {
    const own = {...inside, plot: inside.plot.append('g').attr('class', 'front').attr('data-rule', rule.order)};
    if (lines) appendThinLine(own, rule, points);
    appendIntervals(own, rule, points, describe);
  }
  return frame;
}

function drawCostFronts(parent) {
  const checkpoint = currentCheckpoint();
  const {axis, cost, range} = state;
  appendConstantsLegend(parent);
  drawFronts(parent, {
    width: parent.node().clientWidth, height: parent.node().clientWidth < 600 ? 380 : 520,
    title: COSTS[cost].rise, label: COSTS[cost].unit, x: AXES[axis].label, cost, range,
    series: visibleRules().map(rule => ({rule, points: risesOf(pointsOf(checkpoint, rule), axis, cost)})),
    constants: risesOf(constantsOf(checkpoint), axis, cost),
    describe: ({trial}) => describePoint(trial),
  });
}

function frontControls(parent) {
  const axes = Object.keys(AXES).filter(axis => axis !== 'time' || hasTimes(currentCheckpoint()));
  appendChoice(parent, 'Across', axes.map(axis => [axis, AXES[axis].name]), state.axis, axis => {
    state.axis = axis;
    render();
  });
  const ranges = [['cheaper', 'the cheaper half of the points'], ['rules', 'all rules'], ['all', 'all constants too']];
  appendChoice(parent, 'Show', ranges, state.range, range => {
    state.range = range;
    render();
  });
}

/** A row for each visible rule that has something to say: {label, rows} for a table beside a figure. */
function perRule(label, describe) {
  const rows = visibleRules().map(rule => ({group: rule, value: describe(rule)}));
  return {label, rows: rows.filter(({value}) => value && value !== NONE)};
}

/** Which fronts lie below the constants, above them, or cannot be told from them. */
function frontsSeen(checkpoint) {
  const names = {better: [], worse: [], unclear: [], 'not comparable': []};
  for (const rule of visibleRules()) {
    const height = ((frontOf(checkpoint, rule) || {}).front_minus_constants || {})[state.cost];
    names[verdictOf(height) || 'not comparable'].push(rule.name);
  }
  return Object.keys(names).filter(verdict => names[verdict].length)
    .map(verdict => `Against constant depths, ${verdict}: ${names[verdict].join(', ')}.`);
}

const frontsFigure = {
  id: 'fronts',
  title: 'What leaving early costs, over what it saves',
  draw: drawCostFronts,
  controls: frontControls,
  axes:
    'Across: what a token runs on average; the grey line ends at full depth. Up: how much more the cost is than at full depth, ' +
    'with paired 95 % intervals. Colours: rules; grey: constant depths. The scale is that of the rules, and constants that ' +
    'cost more leave the picture; “Show” changes that.',
  reading:
    'Lower and further left is better. A rule earns its keep where it lies below the grey line: at that many loops it costs ' +
    'less than giving every token the same. Below 0 it does better than full depth.',
  seen: frontsSeen,
};
