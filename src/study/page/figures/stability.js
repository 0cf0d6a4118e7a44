// Whether small differences between states grow or shrink from loop to loop.

function drawStability(parent) {
  drawLoopPanels(parent, {
    quantity: 'contraction', kind: 'linear', domain: linearDomain(allValues('contraction')),
    label: 'contraction ‖Δ‖ / ‖Δ before‖ (no unit)',
    decorate: frame => appendReference(frame, 1, 'steps of equal length'),
  });
  drawGrowth(parent);
}

const growthOf = (checkpoint, group) => probesOf(checkpoint, group).growth || [];
const growthDomain = () => estimatesDomain(growthOf, [0]);

/** One panel a group: the growth of the leading direction in each loop, with its interval. */
function drawGrowth(parent) {
  drawEstimatePanels(parent, {
    estimatesOf: growthOf, domain: growthDomain(), label: 'growth of the leading difference (nats per loop)',
    missing: 'How differences grow was not measured.',
    decorate: frame => appendReference(frame, 0, 'neither grows nor shrinks'),
  });
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
