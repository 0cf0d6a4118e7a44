// The cloud that the states of all tokens make: how many directions it fills, and how alike loops and groups are.

const CLOUD = [
  {key: 'effective_rank', title: 'Effective rank', label: 'directions'},
  {key: 'two_nn_dimension', title: 'Intrinsic dimension', label: 'dimensions (TwoNN)'},
  {key: 'spectrum_decay', title: 'Decay of the spectrum', label: 'exponent α'},
];

const cloudOf = (checkpoint, group) =>
  ((checkpoint.geometry || {}).groups || []).find(entry => entry.group === group.index) || {};

function drawGeometry(parent) {
  const groups = visibleGroups().filter(group => cloudOf(currentCheckpoint(), group).loops);
  if (!groups.length) return appendNote(parent, 'The cloud of states was not measured.');
  appendLegend(parent, groups);
  const {row, width} = appendRow(parent, CLOUD.length);
  for (const quantity of CLOUD) drawCloudPanel(row.append('div'), quantity, groups, width);
  const grid = appendRow(parent, groups.length + 1, 200, 4);
  for (const group of groups) {
    const {cka} = cloudOf(currentCheckpoint(), group);
    drawSimilarity(grid.row.append('div'), group, `${group.name}: loops`, cka, d3.range(cka.length), grid.width);
  }
  const between = currentCheckpoint().geometry.groups_cka;
  const names = modelGroups.map(({name}) => name);
  drawSimilarity(grid.row.append('div'), null, 'ends of all groups', between, names, grid.width);
}

function drawCloudPanel(cell, {key, title, label}, groups, width) {
  const all = checkpoints.flatMap(checkpoint =>
    loopedGroups.flatMap(group => (cloudOf(checkpoint, group).loops || []).map(loop => loop[key])));
  const domain = linearDomain(all);
  if (!domain) return appendNote(cell, `${title}: not measured.`);
  const clouds = groups.map(group => ({group, loops: cloudOf(currentCheckpoint(), group).loops}));
  const final = d3.max(clouds, ({loops}) => loops.length) - 1;
  const frame = appendFrame(cell, {
    width, title,
    x: {domain: [-0.5, final + 0.5], ticks: loopTicks(0, final, width - 62), label: 'loop'},
    y: {kind: 'linear', domain, label},
  });
  for (const {group, loops} of clouds) {
    appendSeries(frame, group, loops.map(loop => ({x: loop.loop, value: loop[key]})));
  }
  attachHover(frame, d3.range(0, final + 1), position => [
    `loop ${position}`,
    clouds.filter(({loops}) => loops[position]).map(({group, loops}) => [group.name, number(loops[position][key])]),
  ]);
}

/** A square of similarities: the darker, the more alike. */
function drawSimilarity(cell, group, title, matrix, names, width) {
  if (!matrix || !matrix.length) return;
  const size = Math.min(width, 260) - 34;
  const side = size / matrix.length;
  const svg = cell.append('svg').attr('width', width).attr('height', size + 60)
    .attr('role', 'img').attr('aria-label', `${title}: linear CKA`);
  appendFrameTitle(svg, title, group, 'linear CKA, 0 to 1');
  const plot = svg.append('g').attr('transform', 'translate(0,46)');
  const cells = matrix.flatMap((row, i) => row.map((value, j) => ({i, j, value})));
  plot.selectAll('rect').data(cells).join('rect')
    .attr('x', ({j}) => j * side).attr('y', ({i}) => i * side).attr('width', side - 1).attr('height', side - 1)
    .attr('fill', seriesColour(group)).attr('fill-opacity', ({value}) => 0.65 * Math.max(0, Math.min(1, value || 0)))
    .on('pointermove pointerdown', ({i, j, value}) => showTip(title, [
      [`${names[i]} and ${names[j]}`, number(value)],
    ])).on('pointerleave', hideTip);
  if (side < 24) return;
  plot.selectAll('text').data(cells).join('text').attr('class', 'quiet').attr('text-anchor', 'middle')
    .attr('x', ({j}) => (j + 0.5) * side).attr('y', ({i}) => (i + 0.5) * side + 4)
    .style('fill', 'var(--ink)').text(({value}) => (isNumber(value) ? d3.format('.2f')(value) : NONE));
}

function geometryNumbers(checkpoint) {
  return perGroup('Effective rank and intrinsic dimension (TwoNN), as states enter → after the last loop', group => {
    const {loops} = cloudOf(checkpoint, group);
    if (!loops) return null;
    const [from, to] = [loops[0], last(loops)];
    return `${arrow(from.effective_rank, to.effective_rank)}; ${arrow(from.two_nn_dimension, to.two_nn_dimension)}`;
  });
}

const geometryFigure = {
  id: 'geometry',
  title: 'The cloud of states',
  measured: () => checkpoints.some(checkpoint => checkpoint.geometry),
  draw: drawGeometry,
  numbers: geometryNumbers,
  axes:
    'First row, across: the loop, 0 being the states as they enter the group. Up: how many directions the states of ' +
    'all sampled tokens fill, how many coordinates would tell neighbours apart, and how fast the variance falls from ' +
    'one main direction to the next. Second row: how alike the clouds after two loops, or at the ends of two groups, ' +
    'are up to rotation and scale; 1 is the same.',
  paper: 'Not measured in the paper.',
  caveat: () => 'These are numbers of one sample of tokens, which have neighbours in the same text: compare loops with ' +
    'loops and checkpoints with checkpoints rather than with other models.',
};
