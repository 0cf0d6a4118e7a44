// Relative steps, token by loop.

const heat = checkpoint => checkpoint.heat || {};
const heatOf = (checkpoint, group) => (heat(checkpoint).groups || []).find(entry => entry.group === group.index);

function heatDomain() {
  const values = checkpoints.map(checkpoint =>
    (heat(checkpoint).groups || []).map(group => (group.relative_step || []).flat()).flat()).flat();
  const positive = values.filter(value => isNumber(value) && value > 0).sort(d3.ascending);
  return positive.length ? [d3.quantile(positive, 0.01), d3.quantile(positive, 0.99)] : null;
}

function drawHeat(parent) {
  const tokens = heat(currentCheckpoint()).tokens || [];
  const domain = heatDomain();
  const groups = visibleGroups().filter(group => heatOf(currentCheckpoint(), group));
  if (!tokens.length || !domain) return appendNote(parent, 'No heat map was stored for this checkpoint.');
  if (!groups.length) return appendNote(parent, 'No group is selected.');
  const colour = d3.scaleSequentialLog(d3.interpolateCividis).domain(domain).clamp(true);
  appendHeatLegend(parent, colour, domain);
  const longLabels = tokens.some(token => visibleText(token).length > 1);
  const cellWidth = longLabels ? 16 : 11;
  const columns = Math.max(8, Math.floor((parent.node().clientWidth - 46) / cellWidth));
  for (const group of groups) {
    const rows = heatOf(currentCheckpoint(), group).relative_step || [];
    for (let first = 0; first < tokens.length; first += columns) {
      const line = {first, tokens: tokens.slice(first, first + columns), rows: rows.slice(first, first + columns)};
      drawHeatLine(parent, group, line, colour, cellWidth, longLabels);
    }
  }
}

function appendHeatLegend(parent, colour, domain) {
  const width = 240;
  const svg = parent.append('svg').attr('width', width + 40).attr('height', 56).style('margin-bottom', '8px')
    .attr('role', 'img').attr('aria-label', 'Colour scale of the relative step');
  const x = d3.scaleLog().domain(domain).range([0, width]);
  svg.append('text').attr('class', 'quiet').attr('x', 10).attr('y', 12).text('relative step ‖Δ‖ / ‖x‖ (no unit, log)');
  const bar = svg.append('g').attr('transform', 'translate(10,20)');
  bar.selectAll('rect').data(d3.range(0, width, 2)).join('rect').attr('x', at => at).attr('width', 2.5)
    .attr('height', 12)
    .attr('fill', at => colour(x.invert(at)));
  bar.append('g').attr('transform', 'translate(0,12)')
    .call(d3.axisBottom(x).tickValues(logTicks(domain)).tickFormat(tick => tickNumber(tick)).tickSize(4))
    .call(axis => axis.select('.domain').remove());
}

/** One stretch of text under its cells; a long text wraps into several of these. */
function drawHeatLine(parent, group, line, colour, cellWidth, longLabels) {
  const loops = d3.max(line.rows, row => row.length) || 0;
  if (!loops) return;
  const cellHeight = Math.max(3, Math.min(15, Math.round(200 / loops)));
  const margin = {top: line.first === 0 ? 26 : 6, left: 34};
  const size = {width: cellWidth * line.tokens.length, height: cellHeight * loops};
  const labelHeight = longLabels ? 74 : 22;
  const svg = parent.append('svg').attr('width', size.width + margin.left + 4)
    .attr('height', size.height + margin.top + labelHeight)
    .attr('role', 'img').attr('aria-label', `Relative step of ${group.name} by token and loop`);
  if (line.first === 0) appendFrameTitle(svg, group.name, group, '');
  const plot = svg.append('g').attr('transform', `translate(${margin.left},${margin.top})`);
  plot.append('image').attr('class', 'cells').attr('width', size.width).attr('height', size.height)
    .attr('preserveAspectRatio', 'none').attr('href', heatImage(line.rows, loops, colour));
  appendHeatLabels(plot, line, loops, cellWidth, cellHeight, longLabels);
  attachHeatHover(plot, group, line, size, cellWidth, cellHeight);
}

/** The cells as a picture with one pixel per cell; undefined cells stay transparent. */
function heatImage(rows, loops, colour) {
  const canvas = document.createElement('canvas');
  canvas.width = rows.length;
  canvas.height = loops;
  const context = canvas.getContext('2d');
  rows.forEach((row, column) => row.forEach((value, loop) => {
    if (!isNumber(value)) return;
    context.fillStyle = colour(Math.max(value, Number.MIN_VALUE));
    context.fillRect(column, loop, 1, 1);
  }));
  return canvas.toDataURL();
}

function appendHeatLabels(plot, line, loops, cellWidth, cellHeight, longLabels) {
  const stride = Math.max(1, Math.ceil(13 / cellHeight));
  const marked = d3.range(0, loops, stride);
  plot.append('g').selectAll('text').data(marked).join('text').attr('class', 'quiet').attr('text-anchor', 'end')
    .attr('x', -7).attr('y', loop => (loop + 0.5) * cellHeight + 4).text(loop => loop + 1);
  const bottom = loops * cellHeight + (longLabels ? 6 : 15);
  const place = i => `translate(${(i + 0.5) * cellWidth},${bottom})` + (longLabels ? ' rotate(90)' : '');
  plot.append('g').selectAll('text').data(line.tokens).join('text').attr('class', 'token')
    .attr('text-anchor', longLabels ? 'start' : 'middle').attr('dy', longLabels ? '.33em' : null)
    .attr('transform', (token, i) => place(i)).text(token => shortened(visibleText(token), 8));
}

function shortened(label, length) {
  const characters = [...label];
  return characters.length > length ? characters.slice(0, length - 1).join('') + '…' : label;
}

function attachHeatHover(plot, group, line, size, cellWidth, cellHeight) {
  const cursor = plot.append('rect').attr('class', 'cell-cursor').attr('width', cellWidth).attr('height', cellHeight)
    .attr('visibility', 'hidden');
  const move = function () {
    const [px, py] = d3.mouse(this);
    const column = Math.min(line.tokens.length - 1, Math.max(0, Math.floor(px / cellWidth)));
    const loop = Math.max(0, Math.floor(py / cellHeight));
    const value = (line.rows[column] || [])[loop];
    cursor.attr('x', column * cellWidth).attr('y', loop * cellHeight).attr('visibility', 'visible');
    showTip(`“${visibleText(line.tokens[column])}”, token ${line.first + column + 1}`,
      [[`${group.name}, loop ${loop + 1}`, ''], ['relative step', number(value)]]);
  };
  plot.append('rect').attr('class', 'hit').attr('width', size.width).attr('height', size.height)
    .on('pointermove pointerdown', move)
    .on('pointerleave', () => {
      cursor.attr('visibility', 'hidden');
      hideTip();
    });
}

function heatNumbers(checkpoint) {
  const tokens = heat(checkpoint).tokens || [];
  return perGroup('Largest and smallest relative step at the last loop', group => {
    const rows = ((heatOf(checkpoint, group) || {}).relative_step || [])
      .map((row, i) => ({token: visibleText(tokens[i]), value: last(row)})).filter(row => isNumber(row.value));
    if (!rows.length) return null;
    const [low, high] = [d3.scan(rows, (a, b) => a.value - b.value), d3.scan(rows, (a, b) => b.value - a.value)];
    return `${number(rows[high].value)} at “${rows[high].token}”, ${number(rows[low].value)} at “${rows[low].token}”`;
  });
}

const heatFigure = {
  id: 'heat',
  title: 'Which tokens keep moving',
  draw: drawHeat,
  numbers: heatNumbers,
  axes:
    'Across: the first tokens of the text (↵ is a line break, ␣ a space). Down: the loop. Colour, ' +
    'logarithmic: the relative step of that token in that loop; bright is large.',
  paper:
    'The figures of the paper show one token. If tokens settle at different loops, an exit per token can save ' +
    'more than one for all.',
};
