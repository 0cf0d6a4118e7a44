// The live page in a headless Chromium, used by clicks and keys: with `gyre serve` itself, and with a stand-in that
// sends what no model would. Needs GYRE_BINARY and GYRE_MODELS.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const {spawn} = require('child_process');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const {Browser, installedBrowser} = require('./browser.js');

const MODELS = process.env.GYRE_MODELS;
const DONE = 'document.querySelector("#status").innerText.startsWith("Done")';
const IDLE = '!document.querySelector("#generate").disabled';
const LOADED = 'document.querySelector("#model option")';

const name = installedBrowser();
const skip = name ? false : 'there is no Chromium here';

const browser = name ? new Browser(name) : null;
const servers = [];

async function serve(...words) {
  const server = spawn(process.env.GYRE_BINARY, ['serve', ...words, '--port', '0', '--threads', '1'],
                       {stdio: ['ignore', 'pipe', 'inherit']});
  servers.push(server);
  const line = await new Promise((done, fail) => {
    server.stdout.once('data', text => done(String(text)));
    server.once('exit', () => fail(new Error('the server ended')));
  });
  return line.trim().split(' ').pop();
}

/** A model that can chat: a shipped one, and a template. */
function chatModel() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gyre-chat-'));
  fs.cpSync(path.join(MODELS, 'two-scale'), folder, {recursive: true});
  fs.writeFileSync(path.join(folder, 'chat_template.jinja'),
                   '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:');
  return folder;
}

/** The page of a server, with answers that `answer(request, response)` writes. */
async function standIn(address, answer) {
  const server = http.createServer((request, response) => {
    if (request.method === 'POST') return answer(request, response);
    http.get(address + request.url, got => {
      response.writeHead(got.statusCode, got.headers);
      got.pipe(response);
    });
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  servers.push({kill: () => server.closeAllConnections() || server.close()});
  return `http://127.0.0.1:${server.address().port}`;
}

const sseLine = json => `data: ${JSON.stringify(json)}\n\n`;

const tokensOf = (page, pane = 1) => page.evaluate(
  `[...document.querySelectorAll('.pane:nth-child(${pane}) .token')].map(token => token.textContent.replace(/↵/g, '')).join('')`);

async function statistic(page, what, pane = 1) {
  return page.evaluate(`[...document.querySelectorAll('.pane:nth-child(${pane}) .stats div')]
    .find(cell => cell.innerText.startsWith(${JSON.stringify(what)})).querySelector('dd').innerText`);
}

async function completion(address, body) {
  const response = await fetch(`${address}/v1/completions`, {method: 'POST', body: JSON.stringify(body)});
  return response.json();
}

test('a text is continued, its tokens are coloured, and one shows its path', {skip}, async () => {
  const address = await serve('-m', path.join(MODELS, 'shakespeare'));
  const page = await browser.open(address);
  await page.until(LOADED);
  assert.match(await page.text('.empty'), /Write how a text begins/);
  assert.match(await page.text('#model-facts'), /loop b 2 × 4.*context 256 tokens/);
  assert.match(await page.text('#mode-note'), /without a chat template/);
  await page.type('#prompt', 'ROMEO:');
  await page.click('.more-settings summary');
  await page.type('#tokens', '30');
  await page.click('#generate');
  await page.until(DONE);
  const exit = await page.text('.pane-rule');
  const wanted = await completion(address, {
    prompt: 'ROMEO:', max_tokens: 30, seed: 1, temperature: 0.8, gyre: {exit, lens: 5},
  });
  assert.strictEqual(await tokensOf(page), wanted.choices[0].text);
  const {loops, lens} = wanted.choices[0].gyre;
  const run = loops.flatMap(groups => groups.slice(1, 4)).reduce((sum, one) => sum + one);
  assert.strictEqual(await statistic(page, 'Loops run'), `${run}\u00a0of 360`);
  // Depths differ, and so do colours.
  assert.ok(await page.evaluate('new Set([...document.querySelectorAll(".token")].map(' +
                                'token => getComputedStyle(token).backgroundColor)).size') > 2);
  const counted = await page.evaluate('[...document.querySelectorAll(".count")].map(one => Number(one.innerText))');
  assert.strictEqual(counted.reduce((sum, one) => sum + one), 30);

  await page.click('.token:nth-child(4)');
  const tables = await page.evaluate('[...document.querySelectorAll(".lens")].map(table => table.tBodies[0].rows.length)');
  assert.deepStrictEqual(tables, lens[3].map(group => group.step.length));
  assert.strictEqual(await page.count('#path svg .mark'),
                     lens[3].reduce((sum, group) => sum + 2 * group.step.length - 1, 0));
  assert.match(await page.text('#path'), /Token 4 of 30/);
  await page.key('ArrowRight');
  assert.match(await page.text('#path'), /Token 5 of 30/);
  await page.key('End');
  assert.match(await page.text('#path'), /Token 30 of 30/);
  assert.strictEqual(await page.evaluate('document.activeElement.getAttribute("aria-selected")'), 'true');
  assert.strictEqual(await page.count('.token[tabindex="0"]'), 1);
  assert.deepStrictEqual(page.mistakes, []);
});

test('the slider makes answers shallower, and rules are compared on the same seed', {skip}, async () => {
  const address = await serve('-m', path.join(MODELS, 'shakespeare'));
  const page = await browser.open(address);
  await page.until(LOADED);
  await page.type('#prompt', 'ROMEO:');
  const saved = [];
  for (const share of [0.1, 0.95]) {
    await page.click('#threshold-0', share);
    await page.click('#generate');
    await page.until(DONE);
    saved.push(parseFloat(await statistic(page, 'Loops saved')));
    await page.evaluate('document.querySelector("#status").innerText = ""');
  }
  assert.ok(saved[0] < 10 && saved[1] >= 50, String(saved));
  await page.click('#compare');
  assert.strictEqual(await page.count('.pane'), 2);
  await page.choose('#rule-0', 'fixed');
  await page.click('#generate');
  await page.until(DONE);
  assert.strictEqual(await tokensOf(page, 1), await tokensOf(page, 2));
  assert.match(await page.text('.parting'), /Both rules wrote the same text/);
  await page.choose('#rule-1', 'loops');
  await page.click('#threshold-1', 0.98);
  assert.strictEqual(await page.text('[data-side="1"] output'), '1 loop');
  await page.key('Home');  // the slider listens to keys
  assert.strictEqual(await page.text('[data-side="1"] output'), '4 loops');
  await page.key('End');
  await page.click('#prompt');
  await page.evaluate('document.querySelector("#status").innerText = ""');
  await page.key('Enter', {ctrl: true});
  await page.until(DONE);
  assert.strictEqual(await statistic(page, 'Loops saved', 2), '75\u00a0%');
  assert.strictEqual(await statistic(page, 'Loops saved', 1), '0\u00a0%');
  assert.notStrictEqual(await tokensOf(page, 1), await tokensOf(page, 2));
  assert.deepStrictEqual(page.mistakes, []);
});

test('a chat has turns, and what is said is text', {skip}, async () => {
  const folder = chatModel();
  try {
    const address = await serve('-m', `<i>talker<script>=${folder}`);
    const page = await browser.open(address);
    await page.until(LOADED);
    assert.strictEqual(await page.text('#model'), '<i>talker<script>');
    assert.ok(await page.evaluate('document.querySelector("input[value=chat]").checked'));
    await page.click('.more-settings summary');
    await page.type('#tokens', '8');
    for (const said of ['<script>document.title = "gone"</script><img src=x onerror="document.title = 1">', 'And?']) {
      await page.evaluate('document.querySelector("#status").innerText = ""');
      await page.type('#prompt', said);
      await page.click('#generate');
      await page.until(DONE);
      assert.strictEqual(await page.text('.turn:last-child .prompt span'), said);
    }
    assert.strictEqual(await page.count('.turn'), 2);
    assert.strictEqual(await page.count('main script, main img, main i'), 0);
    assert.strictEqual(await page.evaluate('document.title'), 'gyre');
    await page.click('#clear');
    assert.strictEqual(await page.count('.turn'), 0);
    assert.strictEqual(await page.count('.empty'), 1);
    assert.deepStrictEqual(page.mistakes, []);
  } finally {
    fs.rmSync(folder, {recursive: true});
  }
});

test('a key is asked for, and mistakes are said in words', {skip}, async () => {
  const file = path.join(os.tmpdir(), `gyre-key-${process.pid}`);
  fs.writeFileSync(file, 'open-sesame\n');
  const address = await serve('-m', path.join(MODELS, 'arithmetic'), '--api-key-file', file);
  fs.rmSync(file);
  const page = await browser.open(address);
  await page.until('!document.querySelector("#key-form").hidden');
  await page.type('#key', 'wrong');
  await page.key('Enter');
  await page.until('!document.querySelector("#alert").hidden');
  assert.match(await page.text('#alert'), /does not know this API key/);
  await page.type('#key', 'open-sesame');
  await page.key('Enter');
  await page.until('document.querySelector("#key-form").hidden');
  await page.type('#prompt', '3+4=');
  await page.click('#generate');
  await page.until(DONE);
  assert.ok(await page.count('.token') > 0);
  await page.type('#prompt', 'words');  // which this model has no letters for
  await page.click('#generate');
  await page.until(`${IDLE} && !document.querySelector("#alert").hidden`);
  assert.match(await page.text('#alert'), /^prompt: /);
});

test('whatever a stream says is text, stop ends the request, and what goes wrong is told', {skip}, async () => {
  const real = await serve('-m', path.join(MODELS, 'shakespeare'));
  const evil = '<img src=x onerror="document.title=1">';
  const lens = [{group: evil, state: [1], step: [1], acceleration: [null], drawn: [-1], words: [[{token: evil, logprob: -1}]]}];
  const token = {choices: [{text: evil, gyre: {loops: [[1, 1, 1, 1, 1]], reasons: [['', evil, '', '', '']], lens: [lens]}}]};
  let behave = null;
  const address = await standIn(real, (request, response) => behave(request, response));
  const page = await browser.open(address);
  await page.until(LOADED);
  await page.type('#prompt', 'ROMEO:');

  const closed = new Promise(done => {
    behave = (request, response) => {
      response.writeHead(200, {'Content-Type': 'text/event-stream'});
      response.write(sseLine(token) + sseLine(token));
      response.on('close', done);
    };
  });
  await page.click('#generate');
  await page.until('document.querySelectorAll(".token").length === 2');
  await page.click('.token:first-child');
  assert.match(await page.text('#path h2'), /<img/);
  assert.match(await page.text('.lens'), /left by <img/);
  assert.strictEqual(await page.count('main img'), 0);
  assert.strictEqual(await page.evaluate('document.title'), 'gyre');
  await page.click('#stop');
  await closed;
  await page.until(IDLE);
  assert.match(await page.text('#status'), /^Stopped: 2 tokens/);

  const told = async (answer, words) => {
    behave = answer;
    await page.click('#generate');
    await page.until(`${IDLE} && !document.querySelector("#alert").hidden`);
    assert.match(await page.text('#alert'), words);
  };
  await told((request, response) => response.writeHead(429, {'Retry-After': '3'})
    .end('{"error":{"message":"64 requests are waiting"}}'), /server is full: 64 requests are waiting. Try again in 3 s/);
  await told((request, response) => response.writeHead(502).end('<html>'), /status 502/);
  await told((request, response) => response.writeHead(200)
    .end(sseLine({error: {message: `went ${evil}`}}) + 'data: [DONE]\n\n'), /^went <img/);
  await told((request, response) => response.writeHead(200).end(sseLine(token)), /broke off before its end/);
  await told((request, response) => response.destroy(), /cannot be reached/);
  assert.strictEqual(await page.count('main img'), 0);
  assert.deepStrictEqual(page.mistakes, []);
});

test('a narrow screen needs no scrolling sideways', {skip}, async () => {
  const page = await browser.open(await serve('-m', path.join(MODELS, 'two-scale')), {width: 360, height: 700});
  await page.until(LOADED);
  await page.type('#prompt', 'The history of the city');
  await page.click('#compare');
  await page.click('#generate');
  await page.until(DONE);
  await page.click('.token:first-child');
  await page.until('document.querySelector("#path svg")');
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'));
  const below = await page.evaluate('[...document.querySelectorAll(".pane")].map(pane => pane.getBoundingClientRect().left)');
  assert.strictEqual(below[0], below[1]);
});

test('what was started is ended', {skip}, async () => {
  for (const server of servers) server.kill();
  await browser.close();
});
