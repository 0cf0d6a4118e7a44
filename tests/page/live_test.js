'use strict';
const test = require('node:test');
const assert = require('node:assert');
const {load} = require('./scripts.js');

const files = ['data.js', ...['stream', 'rules', 'answer', 'request', 'tokens', 'path'].map(
  name => `../../serve/page/${name}.js`)];
const page = load(files, [
  'takeEvents', 'errorText', 'ask', 'RULES', 'ruleNamed', 'rulesFor', 'thresholdAt', 'exitText', 'thresholdText',
  'newAnswer', 'takeChunk', 'textOf', 'statistics', 'depthShare', 'depthCounts', 'loopRange', 'loopsOfToken', 'partAt', 'endText',
  'reasonText', 'messagesOf', 'requestFor', 'modelFacts', 'tokenLabel', 'placeAfterKey', 'pathPoints', 'loopsBefore',
  'wordText',
], {fetch: (...request) => answering(...request), SYMBOLS: [], seriesColour: null});
let answering = null;

const model = {
  id: 'm', gyre: {
    family: 'gyre', weights: 'bf16', context: 256, chat: false,
    groups: [
      {name: 'prelude', layers: 1, loops: 1}, {name: 'a', layers: 2, loops: 4}, {name: 'b', layers: 1, loops: 3, gate: true},
      {name: 'coda', layers: 1, loops: 1},
    ],
  },
};

const chunk = (text, loops) => ({
  choices: [{text, gyre: {loops: [loops], reasons: [['', 'acceleration', 'end', '']], lens: [[{group: 'a'}]]}}],
});

const answerOf = (...tokens) => {
  const answer = page.newAnswer();
  tokens.forEach(([text, a, b], i) => page.takeChunk(answer, chunk(text, [1, a, b, 1]), 1000 + 100 * i));
  return answer;
};

test('events are taken as they become whole', () => {
  assert.deepStrictEqual(page.takeEvents('data: {"a":1}\n\n: ping\n\ndata: {"b"'), {data: ['{"a":1}'], rest: 'data: {"b"'});
  assert.deepStrictEqual(page.takeEvents('data: x\r\n\r\ndata:y\n\n'), {data: ['x', 'y'], rest: ''});
  assert.deepStrictEqual(page.takeEvents('data: one\ndata: two\n\n').data, ['one\ntwo']);
});

test('errors are said in words', () => {
  const body = JSON.stringify({error: {message: 'prompt: 300 tokens are more than the context'}});
  assert.strictEqual(page.errorText(400, body), 'prompt: 300 tokens are more than the context.');
  assert.strictEqual(page.errorText(429, '{"error":{"message":"64 wait"}}', '2'),
                     'The server is full: 64 wait. Try again in 2 s.');
  assert.strictEqual(page.errorText(401, body), 'The server does not know this API key.');
  assert.match(page.errorText(502, '<html>'), /status 502/);
});

test('a stream that breaks off is no answer', async () => {
  const bytes = text => new TextEncoder().encode(text);
  const stream = (...parts) => ({
    ok: true, body: {getReader: () => ({read: async () => ({done: !parts.length, value: bytes(parts.shift() || '')})})},
  });
  const seen = [];
  const signal = new AbortController().signal;
  answering = async (path, {headers}) => {
    assert.strictEqual(headers.Authorization, 'Bearer k');
    return stream('data: {"n":1}\n', '\ndata: {"n":2}\n\ndata: [DONE]\n\n');
  };
  await page.ask({path: 'p', body: {}}, 'k', signal, one => seen.push(one.n));
  assert.deepStrictEqual(seen, [1, 2]);
  answering = async () => stream('data: {"n":3}\n\n');
  await assert.rejects(page.ask({path: 'p', body: {}}, '', signal, () => {}), /broke off before its end/);
  answering = async () => { throw new TypeError('fetch failed'); };
  await assert.rejects(page.ask({path: 'p', body: {}}, '', signal, () => {}), /cannot be reached/);
  const controller = new AbortController();
  controller.abort();
  await page.ask({path: 'p', body: {}}, '', controller.signal, () => {});  // whoever stopped it knows
});

test('a slider goes from many loops to few', () => {
  const accel = page.ruleNamed('accel');
  assert.strictEqual(page.thresholdAt(accel, 0, model), 0.01);
  assert.strictEqual(page.thresholdAt(accel, 1, model), 2);
  assert.strictEqual(page.exitText(accel, page.thresholdAt(accel, 0.5, model)), 'accel:tau=0.14');
  assert.strictEqual(page.thresholdText(accel, 0.14), 'below 0.14');
  const loops = page.ruleNamed('loops');
  assert.deepStrictEqual([0, 0.5, 1].map(place => page.thresholdAt(loops, place, model)), [4, 3, 1]);
  assert.strictEqual(page.exitText(loops, 2), 'fixed:loops=2');
  assert.strictEqual(page.thresholdText(loops, 1), '1 loop');
  assert.strictEqual(page.exitText(page.ruleNamed('fixed'), null), 'fixed');
  const top = page.ruleNamed('top');
  assert.ok(page.thresholdAt(top, 0, model) > page.thresholdAt(top, 1, model));
  assert.strictEqual(page.thresholdText(page.ruleNamed('entropy'), 0.5), 'below 0.5 nats');
});

test('a gate is offered where there is one', () => {
  assert.ok(page.rulesFor(model).includes(page.ruleNamed('gate')));
  const straight = {gyre: {groups: [{name: 'layers', loops: 1}]}};
  assert.deepStrictEqual(page.rulesFor(straight), [page.ruleNamed('fixed')]);
  const without = {gyre: {groups: [{name: 'a', loops: 4}]}};
  assert.ok(!page.rulesFor(without).includes(page.ruleNamed('gate')));
  assert.strictEqual(page.rulesFor(without).length, page.RULES.length - 1);
});

test('tokens are counted as they come', () => {
  const answer = answerOf(['He', 4, 3], ['llo', 2, 1], ['!', 1, 1]);
  assert.strictEqual(page.textOf(answer), 'Hello!');
  assert.deepStrictEqual(answer.tokens[1].loops, [1, 2, 1, 1]);
  assert.deepStrictEqual(answer.tokens[0].lens, [{group: 'a'}]);
  answer.started = 990;
  assert.deepStrictEqual(page.statistics(answer, model), {
    tokens: 3, perSecond: 10, firstToken: 10, run: 12, most: 21, saved: 1 - 12 / 21,
  });
  assert.deepStrictEqual(page.depthCounts(answer, model), [[2, 1], [3, 1], [4, 0], [5, 0], [6, 0], [7, 1]]);
  assert.strictEqual(page.statistics(page.newAnswer(), model).saved, null);
});

test('chunks of a chat, ends and errors', () => {
  const answer = page.newAnswer();
  page.takeChunk(answer, {choices: [{delta: {role: 'assistant', content: ''}}]}, 0);
  page.takeChunk(answer, {choices: [{delta: {content: 'x'}}]}, 1);
  assert.strictEqual(answer.tokens.length, 1);
  assert.strictEqual(answer.tokens[0].loops, null);
  page.takeChunk(answer, {choices: [{delta: {}, finish_reason: 'stop'}], gyre: {seed: 3}}, 2);
  assert.strictEqual(page.endText(answer), 'The text came to its end.');
  assert.strictEqual(answer.run.seed, 3);
  page.takeChunk(answer, {choices: [], usage: {completion_tokens: 1}}, 3);
  assert.strictEqual(answer.usage.completion_tokens, 1);
  page.takeChunk(answer, {error: {message: 'the server is going down'}}, 3);
  assert.strictEqual(page.endText(answer), 'the server is going down.');
  assert.strictEqual(page.endText(page.newAnswer()), 'Stopped.');
  assert.strictEqual(page.reasonText('argmax-stability'), 'left by argmax stability');
  assert.strictEqual(page.reasonText('end'), 'ran all loops');
});

test('depth goes from one loop a group to all', () => {
  assert.strictEqual(page.loopsOfToken({loops: [1, 3]}, [1]), 3);
  assert.strictEqual(page.loopsOfToken({loops: [1]}, []), null);
  assert.deepStrictEqual(page.loopRange(model), [2, 7]);
  assert.deepStrictEqual([2, 7, 9, null].map(loops => page.depthShare(loops, [2, 7])), [0, 1, 1, null]);
  assert.strictEqual(page.depthShare(1, [1, 1]), 1);
});

test('where two answers part', () => {
  const one = answerOf(['a', 1, 1], ['b', 1, 1], ['c', 1, 1]);
  assert.strictEqual(page.partAt(one, answerOf(['a', 4, 3], ['x', 1, 1])), 1);
  assert.strictEqual(page.partAt(one, answerOf(['a', 4, 3])), null);
});

test('requests', () => {
  const settings = {tokens: 9, temperature: 0.5, seed: 4, words: 3};
  const turns = [{prompt: 'Hi', answers: [answerOf(['Ho', 1, 1])]}];
  const messages = page.messagesOf(turns, 1, 'And?');
  assert.deepStrictEqual(messages, [
    {role: 'user', content: 'Hi'}, {role: 'assistant', content: 'Ho'}, {role: 'user', content: 'And?'},
  ]);
  const chat = page.requestFor({mode: 'chat', model, messages, exit: 'fixed', settings});
  assert.strictEqual(chat.path, 'v1/chat/completions');
  assert.deepStrictEqual(chat.body, {
    model: 'm', stream: true, stream_options: {include_usage: true}, max_tokens: 9, temperature: 0.5, seed: 4,
    gyre: {tokens: true, lens: 3, exit: 'fixed'}, messages,
  });
  const text = page.requestFor({mode: 'text', model, prompt: 'Once', exit: 'accel:tau=1', settings});
  assert.strictEqual(text.path, 'v1/completions');
  assert.strictEqual(text.body.prompt, 'Once');
  assert.strictEqual(text.body.messages, undefined);
  assert.strictEqual(page.modelFacts(model),
                     'gyre · bf16 · a 2 × 4, b 1 × 3 (layers × loops) · context 256 tokens');
});

test('arrow keys move among tokens and stay there', () => {
  assert.deepStrictEqual(['ArrowRight', 'ArrowLeft', 'Home', 'End', 'x'].map(key => page.placeAfterKey(key, 2, 4)),
                         [3, 1, 0, 3, null]);
  assert.strictEqual(page.placeAfterKey('ArrowRight', 3, 4), 3);
  assert.strictEqual(page.placeAfterKey('ArrowLeft', 0, 4), 0);
  const token = answerOf([' a\n', 2, 1]).tokens[0];
  assert.strictEqual(page.tokenLabel(token, 0, [1, 2], [2, 7]), 'token 1: ␣a↵, 3 of 7 loops');
});

test('a path', () => {
  assert.deepStrictEqual(page.pathPoints([null, 4, 2], 3), [[5, 4], [6, 2]]);
  assert.deepStrictEqual(page.loopsBefore([{step: [1, 2]}, {step: [1]}, {step: [3, 3]}]), [0, 2, 3]);
  assert.strictEqual(page.wordText({token: ' the', logprob: Math.log(0.25)}), '␣the 25\u00a0%');
});
