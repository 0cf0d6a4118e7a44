// What the head reads from the state after each loop.

const LENS = [
  {key: 'ce', title: 'Cross-entropy', label: 'nats per token', kind: 'linear', describe: nats},
  {key: 'entropy', title: 'Entropy', label: 'nats per token', kind: 'linear', describe: nats},
  {
    key: 'kl_to_last', title: 'KL divergence to the last loop', label: 'nats per token (log)', kind: 'log',
    describe: nats,
  },
  {
    key: 'argmax_flips', title: 'Top token changed since the previous loop', label: 'share of tokens', kind: 'linear',
    describe: percent, tickFormat: tickPercent,
  },
];

const lensValue = (loop, key) => (loop && loop.lens && isNumber(loop.lens[key]) ? loop.lens[key] : null);

function lensDomain({key, kind}) {
  const values = [];
  eachLoop((checkpoint, group, loop) => values.push(lensValue(loop, key)));
  if (key === 'ce') values.push(...checkpoints.map(checkpoint => checkpoint.ce));
  if (kind === 'log') return logDomain(values);
  return linearDomain(values, key === 'argmax_flips' ? {floor: 0} : {});
}

/** All loops of the visible groups in order of computation: [{group, start, loops}], positions from 1. */
function lensSequence() {
  let start = 1;
  return visibleGroups().map(group => {
    const loops = loopsOf(currentCheckpoint(), group);
    const part = {group, start, loops};
    start += loops.length;
    return part;
  }).filter(part => part.loops.length);
}

function drawLens(parent) {
  const sequence = lensSequence();
  if (!sequence.length) return appendNote(parent, 'No group is selected.');
  const {row, width} = appendRow(parent, LENS.length, 400, 2);
  for (const quantity of LENS) drawLensPanel(row.append('div'), quantity, sequence, width);
}

function drawLensPanel(cell, quantity, sequence, width) {
  const domain = lensDomain(quantity);
  if (!domain) return appendNote(cell, `${quantity.title}: not measured.`);
  const total = d3.sum(sequence, part => part.loops.length);
  const frame = appendFrame(cell, {
    width, height: 296, title: quantity.title,
    x: {domain: [0.5, total + 0.5], ticks: [], label: ''},
    y: {...quantity, domain},
  });
  if (quantity.key === 'ce' && isNumber(currentCheckpoint().ce)) {
    appendReference(frame, currentCheckpoint().ce, `output of the whole model: ${number(currentCheckpoint().ce)}`);
  }
  for (const part of sequence) appendLensGroup(frame, part, quantity.key);
  attachHover(frame, d3.range(1, total + 1), position => describeLens(sequence, position));
}

function appendLensGroup(frame, {group, start, loops}, key) {
  const {plot, inner, x} = frame;
  const [from, to] = [x(start - 0.5), x(start + loops.length - 0.5)];
  if (start > 1) plot.append('line').attr('class', 'separator').attr('x1', from).attr('x2', from)
    .attr('y2', inner.height + 18);
  const ticks = loopTicks(1, loops.length, to - from);
  plot.append('g').selectAll('text').data(ticks).join('text').attr('class', 'quiet').attr('text-anchor', 'middle')
    .attr('x', tick => x(start + tick - 1)).attr('y', inner.height + 16).text(tick => loops[tick - 1].loop);
  plot.append('text').attr('text-anchor', 'middle').attr('x', (from + to) / 2).attr('y', inner.height + 34)
    .text(to - from > 7 * group.name.length + 60 ? 'loops of ' + group.name : group.name);
  appendSeries(frame, group, loops.map((loop, i) => ({x: start + i, value: lensValue(loop, key)})));
}

function describeLens(sequence, position) {
  const part = sequence.find(({start, loops}) => position < start + loops.length);
  const loop = part.loops[position - part.start];
  return [
    `${part.group.name}, loop ${loop.loop}`,
    LENS.map(({key, title, describe}) => [title, describe(lensValue(loop, key))]),
  ];
}

function lensNumbers(checkpoint) {
  const label = 'Lens cross-entropy (nats per token), first → last loop; top tokens that the last loop changes';
  return perGroup(label, group => {
    const loops = loopsOf(checkpoint, group);
    const [from, to] = [loops[0], last(loops)].map(loop => lensValue(loop, 'ce'));
    if (!isNumber(from) || !isNumber(to)) return null;
    return `${arrow(from, to)}; ${percent(lensValue(last(loops), 'argmax_flips'))} changed`;
  });
}

const lensFigure = {
  id: 'lens',
  title: 'What the model would say after each loop',
  finding: 'lens_settles',
  draw: drawLens,
  numbers: lensNumbers,
  axes:
    'Across: all loops of the looped groups in order of computation. Up: four properties of the prediction ' +
    'that the output head makes from the state at that point. Values of zero (the last loop against itself) ' +
    'have no place on the logarithmic axis.',
  paper:
    'The paper reports that cross-entropy stays “essentially flat” when loops are left early by its ' +
    'acceleration rule.',
};
