// The path of one token on two principal components.

const tokensTraced = checkpoint => (checkpoint.trajectories || {}).tokens || [];
const trajectoryTokens = () => tokensTraced(currentCheckpoint());

function currentTrajectory() {
  const tokens = trajectoryTokens();
  return tokens[Math.min(state.token, tokens.length - 1)];
}

const pointsOf = token => (token.points || []).filter(point => isNumber(point.x) && isNumber(point.y));
const distance = (a, b) => Math.hypot(b.x - a.x, b.y - a.y);

/** A hand-off leads into a group: it is its first pass, which starts from the last state of the group before. */
function segmentsOf(points) {
  return d3.pairs(points).map(([from, to]) => ({from, to, handoff: from.group !== to.group || to.loop <= 1}));
}

/** Signed turns (of 360°) that a path makes in the plane. */
function windingOf(points) {
  const headings = d3.pairs(points).map(([a, b]) => Math.atan2(b.y - a.y, b.x - a.x));
  const turns = d3.pairs(headings).map(([a, b]) => Math.atan2(Math.sin(b - a), Math.cos(b - a)));
  return d3.sum(turns) / (2 * Math.PI);
}

const loopPath = (points, group) => points.filter(point => point.group === group.index && point.loop >= 1);

/** Scales that show all points with one unit equally long on both axes. */
function equalScales(points, width, height, margin) {
  const [x0, x1] = d3.extent(points, point => point.x);
  const [y0, y1] = d3.extent(points, point => point.y);
  const perUnit = Math.min((width - 2 * margin) / (x1 - x0 || 1e-12), (height - 2 * margin) / (y1 - y0 || 1e-12));
  const spread = Math.max(x1 - x0, y1 - y0) > 0 ? perUnit : 1;
  return {
    x: value => width / 2 + (value - (x0 + x1) / 2) * spread,
    y: value => height / 2 - (value - (y0 + y1) / 2) * spread,
    perUnit: spread,
  };
}

function drawTrajectory(parent) {
  const token = currentTrajectory();
  if (!token || pointsOf(token).length < 2) return appendNote(parent, 'No trajectory was stored for this checkpoint.');
  appendExcerpt(parent, token);
  const points = pointsOf(token);
  drawWholePath(parent, points);
  const groups = visibleGroups().filter(group => loopPath(points, group).length > 1);
  if (!groups.length) return;
  const {row, width} = appendRow(parent, groups.length, 250);
  for (const group of groups) drawGroupPath(row.append('div'), group, loopPath(points, group), width);
}

function appendExcerpt(parent, token) {
  const excerpt = parent.append('p').attr('class', 'excerpt');
  excerpt.append('span').text(visibleText(token.before));
  excerpt.append('mark').text(visibleText(token.token));
}

function drawWholePath(parent, points) {
  const width = parent.node().clientWidth;
  const height = Math.round(Math.min(520, Math.max(320, width * 0.5)));
  const scales = equalScales(points, width, height, 44);
  const svg = parent.append('svg').attr('width', width).attr('height', height).style('margin-bottom', '18px')
    .attr('role', 'img').attr('aria-label', 'Path of one token on two principal components');
  svg.append('rect').attr('class', 'frame').attr('width', width).attr('height', height);
  appendPath(svg, points, scales);
  appendGroupLabels(svg, points, scales, width);
  appendScaleBar(svg, scales.perUnit, width, height);
  const [first, second] = currentTrajectory().explained_variance || [];
  svg.append('text').attr('class', 'quiet').attr('x', 10).attr('y', height - 10)
    .text(`→ component 1 (${percent(first)} of variance)`);
  svg.append('text').attr('class', 'quiet').attr('transform', `translate(18,${height - 32}) rotate(-90)`)
    .text(`→ component 2 (${percent(second)})`);
}

function drawGroupPath(cell, group, points, width) {
  const height = 230;
  const top = 44;
  const scales = equalScales(points, width, height - top, 26);
  const svg = cell.append('svg').attr('width', width).attr('height', height)
    .attr('role', 'img').attr('aria-label', `Loops of ${group.name}, enlarged`);
  appendFrameTitle(svg, group.name, group, `enlarged: loops ${points[0].loop} to ${last(points).loop}`);
  const plot = svg.append('g').attr('transform', `translate(0,${top})`);
  plot.append('rect').attr('class', 'frame').attr('width', width).attr('height', height - top);
  appendPath(plot, points, scales);
  appendLoopNumber(plot, points[0], scales);
  appendLoopNumber(plot, last(points), scales);
  appendScaleBar(plot, scales.perUnit, width, height - top);
}

function appendLoopNumber(plot, point, {x, y}) {
  plot.append('text').attr('class', 'halo').attr('x', x(point.x) + 8).attr('y', y(point.y) - 7).text(point.loop);
}

function appendPath(plot, points, {x, y}) {
  const faint = index => state.hidden.has(index);
  const segments = plot.append('g').selectAll('g').data(segmentsOf(points)).join('g')
    .classed('faint', segment => faint(segment.to.group));
  const colour = segment => seriesColour(loopedGroupAt(segment.to.group));
  segments.append('line').attr('class', segment => (segment.handoff ? 'segment handoff' : 'segment'))
    .attr('stroke', colour)
    .attr('x1', segment => x(segment.from.x)).attr('y1', segment => y(segment.from.y))
    .attr('x2', segment => x(segment.to.x)).attr('y2', segment => y(segment.to.y));
  segments.append('path').attr('fill', colour).attr('d', segment => arrowHead(segment, x, y));
  plot.append('g').selectAll('path').data(withoutRepeats(points)).join('path').attr('class', 'mark')
    .classed('faint', point => faint(point.group))
    .attr('d', pointSymbol).attr('fill', point => seriesColour(loopedGroupAt(point.group)))
    .attr('transform', point => `translate(${x(point.x)},${y(point.y)})`)
    .on('pointermove pointerdown', point => showTip(
      `${nameOfGroupAt(point.group)}, ${point.loop === 0 ? 'state entering' : 'after loop ' + point.loop}`,
      [['component 1', number(point.x)], ['component 2', number(point.y)]]))
    .on('pointerleave', hideTip);
}

/** Leaves out the states that enter a group at the very place where the group before left them. */
function withoutRepeats(points) {
  return points.filter((point, i) => i === 0 || point.loop > 0 || distance(points[i - 1], point) > 0);
}

function pointSymbol(point) {
  const group = loopedGroupAt(point.group);
  return group ? seriesSymbol(group, 40) : d3.symbol().size(28)();
}

/** A triangle in the middle of a segment that is long enough to carry one. */
function arrowHead({from, to}, x, y) {
  const [dx, dy] = [x(to.x) - x(from.x), y(to.y) - y(from.y)];
  const length = Math.hypot(dx, dy);
  if (length < 22) return null;
  const [ux, uy] = [dx / length, dy / length];
  const [cx, cy] = [x(from.x) + dx / 2, y(from.y) + dy / 2];
  const corner = (along, across) => `${cx + along * ux - across * uy},${cy + along * uy + across * ux}`;
  return `M${corner(6, 0)}L${corner(-4, 4.5)}L${corner(-4, -4.5)}Z`;
}

/** Names each group beside its last state, and the two ends of the path; labels that would collide move down. */
function appendGroupLabels(svg, points, {x, y}, width) {
  const ends = points.filter((point, i) => i === points.length - 1 || points[i + 1].group !== point.group);
  const labelAt = (point, text) => ({point, text, x: x(point.x), y: y(point.y)});
  const labels = ends.map(point => labelAt(point, 'after ' + nameOfGroupAt(point.group)));
  labels.unshift(labelAt(points[0], 'start'));
  for (const [i, label] of labels.entries()) {
    label.left = label.x + 20 + 7 * label.text.length > width;  // Seven pixels a letter is ample.
    const collides = other => Math.abs(other.x - label.x) < 90 && Math.abs(other.y - label.y) < 15;
    while (labels.slice(0, i).some(collides)) label.y += 15;
  }
  svg.append('g').selectAll('text').data(labels).join('text').attr('class', 'halo')
    .classed('faint', label => state.hidden.has(label.point.group))
    .attr('x', label => label.x + (label.left ? -16 : 16)).attr('y', label => label.y + 4)
    .attr('text-anchor', label => (label.left ? 'end' : 'start')).text(label => label.text);
}

/** A bar of a round length in units of the state. */
function appendScaleBar(plot, perUnit, width, height) {
  const wanted = Math.min(110, width / 4) / perUnit;
  const decade = Math.pow(10, Math.floor(Math.log10(wanted)));
  const length = decade * (wanted / decade >= 5 ? 5 : wanted / decade >= 2 ? 2 : 1);
  const bar = plot.append('g').attr('transform', `translate(${width - 12},${height - 12})`);
  bar.append('line').attr('x1', -length * perUnit).attr('stroke', 'var(--ink)').attr('stroke-width', 1.5);
  bar.append('text').attr('class', 'halo').attr('text-anchor', 'end').attr('y', -6).text(tickNumber(length) + ' (L2)');
}

function tokenChooser(parent) {
  const tokens = trajectoryTokens();
  if (tokens.length < 2) return;
  const label = parent.append('label').text('Token ');
  const select = label.append('select').on('change', function () {
    state.token = Number(this.value);
    render();
  });
  select.selectAll('option').data(tokens).join('option').attr('value', (token, i) => i)
    .property('selected', (token, i) => i === Math.min(state.token, tokens.length - 1))
    .text(token => `“${visibleText(token.token)}” at position ${integer(token.position)}`);
}

function trajectoryNumbers(checkpoint) {
  const tokens = tokensTraced(checkpoint);
  const label = 'In the plane of the figure (medians over the stored tokens): turns inside the group; ' +
    'length of the hand-off into it';
  return perGroup(label, group => {
    const paths = tokens.map(token => loopPath(pointsOf(token), group)).filter(path => path.length > 2);
    const windings = paths.map(path => Math.abs(windingOf(path)));
    const ratios = tokens.map(token => handoffRatio(pointsOf(token), group)).filter(isNumber);
    if (!windings.length) return null;
    return `${number(d3.median(windings), 2)} turns; ${number(d3.median(ratios))} mean steps`;
  });
}

function handoffRatio(points, group) {
  const own = segmentsOf(points).filter(segment => segment.to.group === group.index);
  const steps = own.filter(segment => !segment.handoff).map(segment => distance(segment.from, segment.to));
  const entry = own.find(segment => segment.handoff && segment.to.loop === 1);
  return entry && steps.length ? distance(entry.from, entry.to) / d3.mean(steps) : null;
}

function varianceCaveat() {
  const shares = ((currentTrajectory() || {}).explained_variance || []).filter(isNumber);
  const stated = shares.length ? `The two components hold ${percent(d3.sum(shares))} of the variance of this path. ` : '';
  return stated +
    'A projection on two dimensions loses geometry: lengths and angles in this figure are not those of the full space.';
}

const trajectoryFigure = {
  id: 'trajectory',
  title: 'The path of one token',
  finding: 'trajectory_spirals',
  draw: drawTrajectory,
  numbers: trajectoryNumbers,
  controls: tokenChooser,
  caveat: varianceCaveat,
  axes:
    'The states of one token, projected on two principal components, with the same scale on both axes. Solid: ' +
    'loops inside a group; dashed: hand-offs, the first pass of a group, starting from the last state of the ' +
    'group before; grey: groups that run once. Below: each group enlarged.',
  paper: 'Tight spirals inside a group, large jumps between groups.',
};
