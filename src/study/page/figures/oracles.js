// Oracles beside constants: what depths chosen token by token could be worth, and what they cost when they are run.

/** Rows of the figure, differences from full depth: {name, point, loops, series, hollow}. */
function oracleRows(checkpoint, cost) {
  const full = fullDepth(checkpoint);
  const best = bestConstant(checkpoint);
  const rows = [{name: `full depth (${plural(full.loops, 'loop')})`, point: asPoint(0, {value: 0}), trial: full, series: null}];
  if (best && best !== full) {
    rows.push({
      name: `best constant (${plural(best.loops, 'loop')})`, point: asPoint(0, differenceOf(best, 'full_depth', cost)),
      trial: best, series: null,
    });
  }
  (checkpoint.oracles || []).forEach((oracle, order) => {
    const promised = oracle.cross_entropy_of_the_depths_it_picks;
    const rise = promised - full.cross_entropy.value;
    if (cost === 'cross_entropy' && isNumber(promised)) {
      rows.push({
        name: `${oracle.name}: promised`, point: asPoint(0, {value: rise}), trial: oracle, series: {order}, hollow: true,
      });
    }
    rows.push({
      name: `${oracle.name}: run`, point: asPoint(0, differenceOf(oracle, 'full_depth', cost)), trial: oracle, series: {order},
    });
  });
  return rows.filter(({point}) => isNumber(point.value));
}

function drawOracles(parent) {
  const checkpoint = currentCheckpoint();
  const {cost} = state;
  if (!(checkpoint.oracles || []).length) return appendNote(parent, 'No oracle was run.');
  const rows = oracleRows(checkpoint, cost);
  const width = Math.min(parent.node().clientWidth, 860);
  const margin = {top: 54, right: width < 600 ? 14 : 120, bottom: 40, left: width < 600 ? 132 : 178};
  const inner = {width: width - margin.left - margin.right, height: 34 * rows.length};
  const domain = paddedDomain([0, ...rows.map(({point}) => endsOf([point])).flat()]);
  const x = d3.scaleLinear().domain(domain).range([0, inner.width]);
  const svg = parent.append('svg').attr('width', width).attr('height', inner.height + margin.top + margin.bottom)
    .attr('role', 'img').attr('aria-label', `Oracles: ${COSTS[cost].rise}`);
  appendFrameTitle(svg, COSTS[cost].rise, null,
    margin.right > 100 ? 'marks with paired 95 % intervals; on the right, loops/token' : 'with paired 95 % intervals');
  const plot = svg.append('g').attr('transform', `translate(${margin.left},${margin.top})`);
  const ticks = d3.ticks(domain[0], domain[1], Math.max(3, Math.floor(inner.width / 90)));
  plot.append('g').attr('class', 'grid').selectAll('line').data(ticks).join('line')
    .attr('x1', x).attr('x2', x).attr('y2', inner.height);
  appendXAxis({plot, inner, x}, {ticks, format: tickOf(cost), label: COSTS[cost].unit});
  plot.append('line').attr('class', 'reference solid').attr('x1', x(0)).attr('x2', x(0)).attr('y2', inner.height);
  rows.forEach((row, i) => appendOracleRow(plot, row, x, 34 * i + 17, inner.width, margin.right > 100));
}

function appendOracleRow(plot, {name, point, trial, series, hollow}, x, top, width, withLoops) {
  const row = plot.append('g').attr('transform', `translate(0,${top})`);
  row.append('text').attr('x', -12).attr('dy', '.33em').attr('text-anchor', 'end').text(name);
  if (isNumber(point.low) && isNumber(point.high)) {
    row.append('line').attr('class', 'whisker').attr('stroke', seriesColour(series))
      .attr('x1', x(point.low)).attr('x2', x(point.high));
  }
  row.append('path').attr('class', hollow ? 'mark hollow' : 'mark').attr('d', seriesSymbol(series, 80))
    .style(hollow ? 'stroke' : 'fill', seriesColour(series)).attr('transform', `translate(${x(point.value)},0)`);
  if (withLoops) {
    row.append('text').attr('class', 'quiet').attr('x', width + 12).attr('dy', '.33em')
      .text(hollow ? '' : number(trial.loops_per_token));
  }
  row.append('rect').attr('class', 'hit').attr('y', -16).attr('width', width).attr('height', 32)
    .on('pointermove pointerdown', () => showTip(name, [
      ['− full depth', differenceWithInterval({value: point.value, interval_95: [point.low, point.high]}, state.cost)],
      ...(hollow ? [] : [['loops/token', number(trial.loops_per_token)]]),
    ])).on('pointerleave', hideTip);
}

function oracleNumbers(checkpoint) {
  const full = fullDepth(checkpoint);
  const best = bestConstant(checkpoint);
  const bestCost = best ? best.cross_entropy.value : null;
  return {
    label: `Cross-entropy, nats/token; full depth ${level(full.cross_entropy.value, 'cross_entropy')}, ` +
      `best constant ${level(bestCost, 'cross_entropy')}`,
    rows: (checkpoint.oracles || []).map((oracle, order) => {
      const promised = oracle.cross_entropy_of_the_depths_it_picks;
      const run = oracle.cross_entropy.value;
      const from = value => difference(value - bestCost, 'cross_entropy');
      return {
        group: {name: oracle.name, order},
        value: `promised ${level(promised, 'cross_entropy')} (${from(promised)} from the best constant), ` +
          `run ${level(run, 'cross_entropy')} (${from(run)})`,
      };
    }),
  };
}

const oraclesFigure = {
  id: 'oracles',
  title: 'What perfect choices would be worth',
  draw: drawOracles,
  axes:
    'Across: the cost minus that of full depth. Hollow: what an oracle promises, the mean of what it chose from texts at ' +
    'constant depths (of cross-entropy only, and without an interval). Filled: the same depths run, each token among the ' +
    'keys and values that others left.',
  reading:
    'Least-loss takes, at each token, the constant depth that finds the token that follows likeliest: no choice between ' +
    'these constants promises less cross-entropy. Agreement takes the shallowest that finds the same token likeliest as ' +
    'full depth. The distance from hollow to filled is what the promise loses when others leave too.',
  numbers: oracleNumbers,
};
