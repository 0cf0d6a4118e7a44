// Whether small differences between states grow or shrink from loop to loop.

const probesOf = (checkpoint, group) =>
  ((checkpoint.probes || {}).groups || []).find(entry => entry.group === group.index) || {};

function estimate(value, format = number) {
  if (!value || !isNumber(value.value)) return NONE;
  return `${format(value.value)} [${value.interval_95.map(end => format(end)).join(', ')}]`;
}

function drawStability(parent) {
  drawLoopPanels(parent, {
    quantity: 'contraction', kind: 'linear', domain: linearDomain(allValues('contraction')),
    label: 'contraction ‖Δ‖ / ‖Δ before‖ (no unit)',
    decorate: frame => appendReference(frame, 1, 'steps of equal length'),
  });
  drawGrowth(parent);
}

function growthDomain() {
  const all = checkpoints.flatMap(checkpoint =>
    loopedGroups.flatMap(group => probesOf(checkpoint, group).growth || []));
  return linearDomain([0, ...all.filter(Boolean).flatMap(growth => [growth.value, ...growth.interval_95])]);
}

/** One panel a group: the growth of the leading direction in each loop, with its interval. */
function drawGrowth(parent) {
  const groups = visibleGroups().filter(group => (probesOf(currentCheckpoint(), group).growth || []).some(Boolean));
  if (!groups.length) return appendNote(parent, 'How differences grow was not measured.');
  const {row, width} = appendRow(parent, groups.length);
  for (const group of groups) {
    const growth = probesOf(currentCheckpoint(), group).growth;
    const points = growth.map((entry, i) => {
      const [low, high] = entry ? entry.interval_95 : [];
      return {x: i + 1, low, high, ...entry};
    });
    const frame = appendFrame(row.append('div'), {
      width, series: group, title: group.name,
      x: {domain: [0.5, growth.length + 0.5], ticks: loopTicks(1, growth.length, width - 62), label: 'loop'},
      y: {kind: 'linear', domain: growthDomain(), label: 'growth of the leading difference (nats per loop)'},
    });
    appendReference(frame, 0, 'neither grows nor shrinks');
    appendIntervals(frame, group, points, point => [
      `${group.name}, loop ${point.x}`,
      [['median', number(point.value)], ['95 % interval', `${number(point.low)} to ${number(point.high)}`],
        ['tokens', integer(point.tokens)]],
    ]);
  }
}

function endingsText({tokens, fixed, cycles, moving} = {}) {
  if (!tokens) return NONE;
  const orbits = d3.sum(Object.values(cycles || {}));
  return `${percent(fixed / tokens)} at rest, ${percent(orbits / tokens)} in orbits, ` +
    `${percent(moving / tokens)} moving`;
}

function stabilityNumbers(checkpoint) {
  return perGroup('Leading exponent (nats per loop, with interval), in the group’s own loops → in further ones; ' +
    'largest singular value of the last loop; where paths end', group => {
    const probes = probesOf(checkpoint, group);
    const [own, further] = [probes.lyapunov, probes.lyapunov_further].map(list => (list || [])[0]);
    if (!own) return probes.no_differences || null;
    return `${estimate(own)} → ${estimate(further)}; ${estimate(last(probes.largest_singular_value || []))}; ` +
      endingsText(probes.endings);
  });
}

const stabilityFigure = {
  id: 'stability',
  title: 'Whether loops contract',
  measured: () => checkpoints.some(checkpoint => checkpoint.probes),
  draw: drawStability,
  numbers: stabilityNumbers,
  axes:
    `${PER_LOOP_AXES} First row: the length of a step over that of the step before; line: median over tokens; band: ` +
    'p10 to p90. Second row: by how much the difference that grows most grows in each loop, when the state of one ' +
    'token is moved a little and all before it stays as it is; mark: median over a few sampled tokens, line: 95 % ' +
    'interval over windows. Above 0 two nearby states move apart.',
  paper: 'Not measured in the paper.',
};
