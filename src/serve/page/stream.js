// Reading an answer of the server as it comes.

/** The lines of data in `text`, the beginning of a stream of events, and what is not whole yet. */
function takeEvents(text) {
  const parts = text.split(/\r?\n\r?\n/);
  const rest = parts.pop();
  const data = [];
  for (const part of parts) {
    const lines = part.split(/\r?\n/).filter(line => line.startsWith('data:'));
    if (lines.length) data.push(lines.map(line => line.slice(line[5] === ' ' ? 6 : 5)).join('\n'));
  }
  return {data, rest};
}

/** What went wrong, in words, of an answer that is none. */
function errorText(status, body, retryAfter) {
  let message = '';
  try {
    message = JSON.parse(body).error.message;
  } catch (mistake) {
    message = '';
  }
  if (status === 429) {
    const wait = retryAfter ? ` Try again in ${retryAfter} s.` : '';
    return `The server is full: ${message || 'too many requests are waiting'}.${wait}`;
  }
  if (status === 401) return 'The server does not know this API key.';
  return message ? sentence(message) : `The server answered with status ${status} and no explanation.`;
}

/** Asks, and hands every JSON object of the stream to `each`. Throws Error in words. */
async function ask({path, body}, key, signal, each) {
  const headers = {'Content-Type': 'application/json'};
  if (key) headers.Authorization = `Bearer ${key}`;
  let response = null;
  try {
    response = await fetch(path, {method: 'POST', headers, body: JSON.stringify(body), signal});
  } catch (mistake) {
    if (signal.aborted) return;
    throw new Error('The server cannot be reached. Is it still running?');
  }
  if (!response.ok) {
    const mistake = new Error(errorText(response.status, await response.text(), response.headers.get('Retry-After')));
    mistake.status = response.status;
    throw mistake;
  }
  await readStream(response.body.getReader(), signal, each);
}

async function readStream(reader, signal, each) {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const {data, rest} = takeEvents(text + decoder.decode(part.value, {stream: true}));
      text = rest;
      for (const line of data) {
        if (line === '[DONE]') return;
        each(JSON.parse(line));
      }
    }
  } catch (mistake) {
    if (signal.aborted) return;
    throw new Error('The answer broke off: the connection to the server is gone.');
  }
  if (!signal.aborted) throw new Error('The answer broke off before its end.');
}
