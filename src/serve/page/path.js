// The path of one token through the loops: how far each moves its state, and what the head would say of it.

const PATH_SERIES = [
  {name: 'step ‖Δ‖', order: 0, of: group => group.step},
  {name: 'acceleration ‖Δ − Δ before‖', order: 1, of: group => group.acceleration},
];
const PATH_HEIGHT = 200;
const PATH_MARGIN = {top: 26, right: 12, bottom: 40, left: 62};

/** Points of one series in one group: [[loops from the first group on, value]]. */
function pathPoints(values, before) {
  return values.map((value, i) => [before + i + 1, value]).filter(([, value]) => isNumber(value) && value > 0);
}

/** Loops that ran before each group. */
function loopsBefore(lens) {
  let done = 0;
  return lens.map(group => {
    const before = done;
    done += group.step.length;
    return before;
  });
}

const probability = logprob => Math.exp(logprob);

function wordText({token, logprob}) {
  return `${visibleText(token) || '(nothing)'} ${percent(probability(logprob))}`;
}

function drawPathLines(svg, lens, starts, x, y) {
  for (const series of PATH_SERIES) {
    lens.forEach((group, i) => {
      const points = pathPoints(series.of(group), starts[i]);
      const place = d3.line().x(([loop]) => x(loop)).y(([, value]) => y(value));
      svg.append('path').attr('class', 'line').attr('stroke', seriesColour(series)).attr('d', place(points));
      svg.append('g').selectAll('path').data(points).join('path').attr('class', 'mark').attr('d', seriesSymbol(series))
        .attr('fill', seriesColour(series)).attr('transform', ([loop, value]) => `translate(${x(loop)},${y(value)})`)
        .append('title').text(([loop, value]) => `${group.group}, loop ${loop - starts[i]}: ${series.name} ${number(value)}`);
    });
  }
}

function drawPathAxes(svg, lens, starts, x, y) {
  const {top, bottom, left} = PATH_MARGIN;
  const floor = PATH_HEIGHT - bottom;
  const ticks = logTicks(y.domain());
  svg.append('g').attr('class', 'grid').selectAll('line').data(ticks).join('line')
    .attr('x1', left).attr('x2', x.range()[1]).attr('y1', y).attr('y2', y);
  svg.append('g').selectAll('text').data(ticks).join('text').attr('class', 'quiet').attr('x', left - 8).attr('y', y)
    .attr('dy', '.32em').attr('text-anchor', 'end').text(tickNumber);
  lens.forEach((group, i) => {
    const loops = group.step.length;
    if (i > 0) {
      svg.append('line').attr('class', 'separator').attr('x1', x(starts[i] + .5)).attr('x2', x(starts[i] + .5))
        .attr('y1', top).attr('y2', floor);
    }
    svg.append('text').attr('class', 'title').attr('x', x(starts[i] + (loops + 1) / 2)).attr('y', top - 9)
      .attr('text-anchor', 'middle').text(group.group);
    svg.append('g').selectAll('text').data(d3.range(1, loops + 1)).join('text').attr('class', 'quiet')
      .attr('x', loop => x(starts[i] + loop)).attr('y', floor + 17).attr('text-anchor', 'middle').text(loop => loop);
  });
  svg.append('text').attr('class', 'quiet').attr('x', (left + x.range()[1]) / 2).attr('y', PATH_HEIGHT - 4)
    .attr('text-anchor', 'middle').text('loops done in the group');
  svg.append('text').attr('class', 'quiet').attr('x', 0).attr('y', 11).text('L2 norm');
}

function drawPath(parent, lens) {
  const starts = loopsBefore(lens);
  const loops = d3.sum(lens, group => group.step.length);
  const values = lens.map(group => PATH_SERIES.map(series => series.of(group))).flat(2);
  const domain = logDomain(values);
  if (!domain) return;
  const width = Math.max(280, Math.min(760, parent.node().clientWidth || 720));
  const legend = parent.append('div').attr('class', 'legend');
  for (const series of PATH_SERIES) {
    const entry = legend.append('span');
    appendBadge(entry, series);
    entry.append('span').text(series.name);
  }
  const svg = parent.append('svg').attr('width', width).attr('height', PATH_HEIGHT).attr('role', 'img')
    .attr('aria-label', `Norms of steps and accelerations over ${plural(loops, 'loop')}; the tables have the numbers`);
  const x = d3.scaleLinear([.5, loops + .5], [PATH_MARGIN.left, width - PATH_MARGIN.right]);
  const y = d3.scaleLog(domain, [PATH_HEIGHT - PATH_MARGIN.bottom, PATH_MARGIN.top]);
  drawPathAxes(svg, lens, starts, x, y);
  drawPathLines(svg, lens, starts, x, y);
}

function appendLensTable(parent, group, reason, drawn) {
  const table = parent.append('div').attr('class', 'scroll').append('table').attr('class', 'lens');
  const left = reasonText(reason);
  table.append('caption').text(`${group.group}: ${plural(group.step.length, 'loop')}${left ? ', ' + left : ''}`);
  const most = d3.max(group.words, words => words.length) || 0;
  table.append('thead').append('tr').selectAll('th')
    .data(['loop', 'step', 'acceleration', 'this token', 'likeliest words']).join('th').attr('scope', 'col')
    .attr('colspan', (name, i) => (i === 4 ? Math.max(1, most) : null)).text(name => name);
  const rows = table.append('tbody').selectAll('tr').data(group.step).join('tr');
  rows.append('th').attr('scope', 'row').text((step, i) => i + 1);
  rows.append('td').text(step => number(step));
  rows.append('td').text((step, i) => number(group.acceleration[i]));
  rows.append('td').text((step, i) => percent(probability(group.drawn[i])));
  rows.each(function (step, i) {
    d3.select(this).selectAll('td.word').data(group.words[i] || []).join('td').attr('class', 'word')
      .classed('drawn', word => word.token === drawn)
      .style('--share', word => `${Math.round(55 * probability(word.logprob))}%`).text(wordText);
  });
}

/** Shows the path of a token under `parent`. */
function showPath(parent, answer, place, model) {
  parent.selectAll('*').remove();
  const token = answer.tokens[place];
  if (!token) return;
  const loops = loopsOfToken(token, loopedPlaces(model));
  const heading = parent.append('h2');
  heading.append('span').text('Path of ');
  heading.append('span').attr('class', 'quoted').text(visibleText(token.text) || 'a part of a character');
  const depth = isNumber(loops) ? `, ${loops} of ${plural(loopRange(model)[1], 'loop')}` : '';
  parent.append('p').attr('class', 'note').text(`Token ${place + 1} of ${answer.tokens.length}${depth}.`);
  if (!token.lens || !token.lens.length) {
    parent.append('p').text(loopRange(model)[0] === 0
      ? 'No group of this model loops: there is no path to show.'
      : 'Its path was not looked at. Set “Words a loop” under Sampling to 1 or more, and generate again.');
    return;
  }
  drawPath(parent.append('div').attr('class', 'chart'), token.lens);
  const tables = parent.append('div').attr('class', 'lenses');
  const looped = loopedPlaces(model);
  token.lens.forEach((group, i) => appendLensTable(tables, group, (token.reasons || [])[looped[i]], token.text));
  parent.append('p').attr('class', 'note').text(
    'Words: what the final norm and the head say of the state after that loop, before later groups have run (logit lens), ' +
    'with their probabilities. A frame marks the token that was drawn.');
}
