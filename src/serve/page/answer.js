// An answer as its chunks come: tokens with their loops, and what that adds up to.

const newAnswer = () => ({tokens: [], finish: null, run: null, usage: null, error: null, started: 0});

/** Takes a chunk that came at `now` (ms). */
function takeChunk(answer, chunk, now) {
  if (chunk.error) answer.error = sentence(chunk.error.message || 'Something went wrong in the server');
  if (chunk.gyre) answer.run = chunk.gyre;
  if (chunk.usage) answer.usage = chunk.usage;
  const choice = (chunk.choices || [])[0];
  if (!choice) return;
  if (choice.finish_reason) answer.finish = choice.finish_reason;
  const text = (choice.delta ? choice.delta.content : choice.text) || '';
  const told = choice.gyre;
  if (told) {
    const first = list => (list ? list[0] : null);
    answer.tokens.push({
      text, loops: first(told.loops), reasons: first(told.reasons), lens: first(told.lens), time: now,
    });
  } else if (text) {
    answer.tokens.push({text, loops: null, reasons: null, lens: null, time: now});
  }
}

const textOf = answer => answer.tokens.map(token => token.text).join('');

/** Places of groups that loop in a token's list of loops. */
const loopedPlaces = model => d3.range(model.gyre.groups.length).filter(place => model.gyre.groups[place].loops > 1);

/** Loops that a token ran in the groups that loop; null where that was not told, or none loops. */
const loopsOfToken = (token, places) =>
  (token.loops && places.length ? d3.sum(places, place => token.loops[place]) : null);

/** The fewest and the most loops a token can run. */
function loopRange(model) {
  const places = loopedPlaces(model);
  return [places.length, d3.sum(places, place => model.gyre.groups[place].loops)];
}

/** How deep a token went, from 0 (one loop a group) to 1 (all of them). */
function depthShare(loops, [least, most]) {
  if (!isNumber(loops)) return null;
  return most > least ? Math.min(1, Math.max(0, (loops - least) / (most - least))) : 1;
}

/** Tokens that ran so many loops: [[loops, tokens]] for every number in the range. */
function depthCounts(answer, model) {
  const places = loopedPlaces(model);
  const [least, most] = loopRange(model);
  return d3.range(least, most + 1).map(
    loops => [loops, answer.tokens.filter(token => loopsOfToken(token, places) === loops).length]);
}

/** What an answer cost. */
function statistics(answer, model) {
  const {tokens} = answer;
  const places = loopedPlaces(model);
  const told = tokens.filter(token => token.loops);
  const run = d3.sum(told, token => loopsOfToken(token, places));
  const most = told.length * loopRange(model)[1];
  const seconds = tokens.length > 1 ? (last(tokens).time - tokens[0].time) / 1000 : 0;
  return {
    tokens: tokens.length,
    perSecond: seconds > 0 ? (tokens.length - 1) / seconds : null,
    firstToken: tokens.length ? tokens[0].time - answer.started : null,
    run, most,
    saved: most > 0 ? 1 - run / most : null,
  };
}

/** How many tokens two answers have in common before they part; null when one is the other's beginning. */
function partAt(one, other) {
  const both = Math.min(one.tokens.length, other.tokens.length);
  for (let i = 0; i < both; ++i) {
    if (one.tokens[i].text !== other.tokens[i].text) return i;
  }
  return null;
}

const FINISHES = {stop: 'came to its end', length: 'has as many tokens as were asked for'};

function endText(answer) {
  if (answer.error) return answer.error;
  return answer.finish ? `The text ${FINISHES[answer.finish] || 'ended: ' + answer.finish}.` : 'Stopped.';
}

const REASONS = {'': '', end: 'ran all loops'};
const reasonText = reason => (reason in REASONS ? REASONS[reason] : `left by ${reason.replace(/[-_]/g, ' ')}`);
