// A headless Chromium that is used as a person does: by the mouse, by keys, by looking. It is driven by its own
// protocol over a pipe.
'use strict';
const {spawn, execFileSync} = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];
const WAIT_MS = 30000;

/** The name of one that is installed, or null. */
function installedBrowser() {
  return NAMES.find(name => {
    try {
      execFileSync('sh', ['-c', `command -v ${name}`], {stdio: 'ignore'});
      return true;
    } catch (missing) {
      return false;
    }
  }) || null;
}

const sleep = ms => new Promise(done => setTimeout(done, ms));

class Browser {
  constructor(name) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gyre-browser-'));
    const words = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', '--no-first-run',
                   `--user-data-dir=${this.folder}`, 'about:blank'];
    this.process = spawn(name, words, {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
    this.calls = new Map();
    this.listeners = [];
    this.count = 0;
    let text = '';
    this.process.stdio[4].setEncoding('utf8');
    this.process.stdio[4].on('data', some => {
      const parts = (text + some).split('\0');
      text = parts.pop();
      for (const part of parts) this.take(JSON.parse(part));
    });
  }

  take(message) {
    const call = this.calls.get(message.id);
    if (!call) return this.listeners.forEach(listener => listener(message));
    this.calls.delete(message.id);
    if (message.error) call.fail(new Error(message.error.message));
    else call.done(message.result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.count;
    this.process.stdio[3].write(JSON.stringify({id, method, params, sessionId}) + '\0');
    return new Promise((done, fail) => this.calls.set(id, {done, fail}));
  }

  async open(address, {width = 1280, height = 1000} = {}) {
    const {targetId} = await this.send('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await this.send('Target.attachToTarget', {targetId, flatten: true});
    const page = new Page(this, sessionId);
    await page.prepare(width, height);
    await page.send('Page.navigate', {url: address});
    return page;
  }

  async close() {
    const ended = new Promise(done => this.process.once('exit', done));
    this.send('Browser.close').catch(() => {});
    await Promise.race([ended, sleep(5000)]);
    this.process.kill('SIGKILL');
    await sleep(100);
    fs.rmSync(this.folder, {recursive: true, force: true, maxRetries: 5});
  }
}

class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
    this.mistakes = [];  // of scripts, and what the content policy forbade
    browser.listeners.push(({method, params, sessionId}) => {
      if (sessionId !== session) return;
      if (method === 'Runtime.exceptionThrown') this.mistakes.push(params.exceptionDetails.exception.description);
      if (method === 'Log.entryAdded' && params.entry.source === 'security') this.mistakes.push(params.entry.text);
    });
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  async prepare(width, height) {
    for (const domain of ['Page', 'Runtime', 'Log']) await this.send(`${domain}.enable`);
    await this.resize(width, height);
  }

  resize(width, height) {
    return this.send('Emulation.setDeviceMetricsOverride', {width, height, deviceScaleFactor: 1, mobile: width < 500});
  }

  async evaluate(expression) {
    const {result, exceptionDetails} = await this.send(
      'Runtime.evaluate', {expression, returnByValue: true, awaitPromise: true});
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(expression) {
    const end = Date.now() + WAIT_MS;
    while (Date.now() < end) {
      if (await this.evaluate(`Boolean(${expression})`).catch(() => false)) return;
      await sleep(20);
    }
    throw new Error(`never came true: ${expression}; the page: ${await this.evaluate('document.body.innerText')}`);
  }

  text(selector) {
    return this.evaluate(`(document.querySelector(${JSON.stringify(selector)}) || {}).innerText`);
  }

  count(selector) {
    return this.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  }

  /** Clicks in the middle of an element, or at a share of its width. */
  async click(selector, share = 0.5) {
    const name = JSON.stringify(selector);
    await this.until(`document.querySelector(${name})`);
    const [x, y] = await this.evaluate(`(() => {
      const element = document.querySelector(${name});
      element.scrollIntoView({block: 'center'});
      const box = element.getClientRects()[0];
      return [box.left + box.width * ${share}, box.top + box.height / 2];
    })()`);
    const where = {x, y, button: 'left', clickCount: 1};
    await this.send('Input.dispatchMouseEvent', {type: 'mouseMoved', x, y});
    await this.send('Input.dispatchMouseEvent', {type: 'mousePressed', ...where});
    await this.send('Input.dispatchMouseEvent', {type: 'mouseReleased', ...where});
  }

  async key(key, {ctrl = false} = {}) {
    const codes = {Enter: 13, Tab: 9, ArrowLeft: 37, ArrowRight: 39, Home: 36, End: 35};
    const event = {
      key, code: key, windowsVirtualKeyCode: codes[key], modifiers: ctrl ? 2 : 0,
      text: key === 'Enter' && !ctrl ? '\r' : undefined,
    };
    await this.send('Input.dispatchKeyEvent', {type: event.text ? 'keyDown' : 'rawKeyDown', ...event});
    await this.send('Input.dispatchKeyEvent', {type: 'keyUp', ...event});
  }

  /** Types into an element, in place of what it holds. */
  async type(selector, text) {
    await this.click(selector);
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).select()`);
    await this.send('Input.insertText', {text});
  }

  /** Chooses of a list as a person who uses the keyboard. */
  choose(selector, value) {
    return this.evaluate(`(() => {
      const select = document.querySelector(${JSON.stringify(selector)});
      select.value = ${JSON.stringify(value)};
      select.dispatchEvent(new Event('change', {bubbles: true}));
    })()`);
  }

  async picture(file) {
    const {cssContentSize} = await this.send('Page.getLayoutMetrics');
    const {data} = await this.send('Page.captureScreenshot', {
      captureBeyondViewport: true,
      clip: {x: 0, y: 0, width: cssContentSize.width, height: cssContentSize.height, scale: 1},
    });
    fs.writeFileSync(file, Buffer.from(data, 'base64'));
  }
}

module.exports = {Browser, installedBrowser};
