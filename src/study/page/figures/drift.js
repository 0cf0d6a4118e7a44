// Drift-to-loop ratio: hand-offs against the steps inside a group.

function driftDomain() {
  const values = allDriftValues();
  return values.length ? logDomain([...values, 1]) : null;
}

function drawDrift(parent) {
  const groups = visibleGroups();
  if (!groups.length) return appendNote(parent, 'No group is selected.');
  if (!driftDomain()) return appendNote(parent, 'No group has a drift-to-loop ratio here.');
  const several = checkpoints.length > 1;
  const {row, width} = appendRow(parent, several ? 2 : 1, 400);
  drawDriftRows(row.append('div'), groups, Math.min(width, 760));
  if (several) drawDriftTraining(row, width);
}

/** One row per group: bar from p10 to p90, symbol at the median, tick at the mean. */
function drawDriftRows(parent, groups, width) {
  const margin = {top: 46, right: 16, bottom: 40, left: 84};
  const inner = {width: width - margin.left - margin.right, height: Math.max(150, 44 * groups.length)};
  const domain = driftDomain();
  const x = d3.scaleLog().domain(domain).range([0, inner.width]).clamp(true);
  const y = d3.scalePoint().domain(groups.map(group => group.index)).range([0, inner.height]).padding(0.6);
  const svg = parent.append('svg').attr('width', width).attr('height', inner.height + margin.top + margin.bottom)
    .attr('role', 'img').attr('aria-label', 'Drift-to-loop ratio per group');
  appendFrameTitle(svg, 'Drift-to-loop ratio at ' + stepName(currentCheckpoint()), null, 'one row per group');
  const plot = svg.append('g').attr('transform', `translate(${margin.left},${margin.top})`);
  plot.append('g').attr('class', 'grid').selectAll('line').data(logTicks(domain)).join('line')
    .attr('x1', x).attr('x2', x).attr('y2', inner.height);
  appendXAxis({plot, inner, x}, {
    ticks: logTicks(domain), format: tickNumber, label: 'drift-to-loop ratio (no unit, log)',
  });
  plot.append('line').attr('class', 'reference').attr('x1', x(1)).attr('x2', x(1)).attr('y2', inner.height);
  for (const group of groups) appendDriftRow(plot, group, x, y(group.index), inner.width);
}

function appendDriftRow(plot, group, x, top, width) {
  const drift = (groupData(currentCheckpoint(), group) || {}).drift_to_loop;
  const row = plot.append('g').attr('transform', `translate(0,${top})`);
  row.append('text').attr('x', -10).attr('dy', '.33em').attr('text-anchor', 'end').text(group.name);
  if (!drift || !isNumber(middle(drift))) {
    row.append('text').attr('class', 'quiet halo').attr('x', x(1) + 8).attr('dy', '.33em').text('undefined here');
    return;
  }
  if (isNumber(drift.p10) && isNumber(drift.p90)) {
    row.append('line').attr('x1', x(drift.p10)).attr('x2', x(drift.p90)).attr('stroke', seriesColour(group))
      .attr('stroke-width', 9).attr('opacity', 0.3);
  }
  if (isNumber(drift.mean)) {
    row.append('line').attr('x1', x(drift.mean)).attr('x2', x(drift.mean)).attr('y1', -9).attr('y2', 9)
      .attr('stroke', seriesColour(group)).attr('stroke-width', 2);
  }
  row.append('path').attr('class', 'mark').attr('d', seriesSymbol(group, 90)).attr('fill', seriesColour(group))
    .attr('transform', `translate(${x(middle(drift))},0)`);
  row.append('rect').attr('class', 'hit').attr('y', -18).attr('width', width).attr('height', 36)
    .on('pointermove pointerdown', () => showTip(`${group.name}, drift-to-loop ratio`, distributionRows(drift, number)))
    .on('pointerleave', hideTip);
}

function driftNumbers(checkpoint) {
  return perGroup('Median drift-to-loop ratio (p10 to p90)', group => {
    const drift = (groupData(checkpoint, group) || {}).drift_to_loop;
    return isNumber(middle(drift)) ? `${number(middle(drift))} (${range(drift)})` : null;
  });
}

const driftFigure = {
  id: 'drift',
  title: 'Drift between groups against steps inside them',
  finding: 'drift_dominates',
  draw: drawDrift,
  numbers: driftNumbers,
  axes:
    'The distance to the state after the first pass of the next group, in units of the mean step of the ' +
    'group; logarithmic. First panel: symbol at the median, vertical stroke at the mean, bar from p10 to p90; ' +
    'dashed at 1. Second panel, if there are several checkpoints: the same over training.',
  paper: 'The drift between groups is far larger than the steps inside them: the ratio is well above 1.',
};
