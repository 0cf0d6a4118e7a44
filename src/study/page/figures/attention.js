// How widely the heads of looped layers attend, and what a loop changes of it.

const attentionOf = (checkpoint, group) => probesOf(checkpoint, group).attention_entropy || {};
const normalisedEntropies = (checkpoint, group) => attentionOf(checkpoint, group).normalised || [];
const headChanges = (checkpoint, group) => attentionOf(checkpoint, group).head_change || [];

function drawAttention(parent) {
  drawEstimatePanels(parent, {
    estimatesOf: normalisedEntropies, domain: estimatesDomain(normalisedEntropies),
    label: 'entropy of attention / log positions seen (no unit)',
    missing: 'Attention was not measured.',
  });
  drawEstimatePanels(parent, {
    estimatesOf: headChanges, domain: estimatesDomain(headChanges, [0]),
    label: 'change of a head’s entropy since the loop before (nats)',
    missing: 'A group of one loop has no change from loop to loop.',
  });
}

function attentionNumbers(checkpoint) {
  return perGroup('Entropy of attention (nats, with interval), first loop → last; share of the logarithm of the ' +
    'positions seen; change of a head’s entropy in the last loop', group => {
    const {entropy, normalised, head_change: change} = attentionOf(checkpoint, group);
    if (!entropy) return null;
    return `${estimate(entropy[0])} → ${estimate(last(entropy))}; ${estimate(normalised[0])} → ` +
      `${estimate(last(normalised))}; ${estimate(last(change))}`;
  });
}

const attentionFigure = {
  id: 'attention',
  title: 'How widely tokens attend',
  measured: () => checkpoints.some(checkpoint =>
    loopedGroups.some(group => normalisedEntropies(checkpoint, group).some(Boolean))),
  draw: drawAttention,
  numbers: attentionNumbers,
  axes:
    `${PER_LOOP_AXES} Mean over all heads and layers of a token; mark: median over sampled tokens, line: 95 % interval ` +
    'over windows. First row: 1 where all positions that are seen weigh the same, 0 where one takes all. Second row: ' +
    'mean distance of a single head’s entropy from what it was in the loop before, from loop 2.',
  paper: 'Not measured in the paper.',
};
