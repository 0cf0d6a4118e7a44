// What is asked of the server.

/** The messages of a conversation before its next turn; `side` tells whose answers. */
function messagesOf(turns, side, prompt) {
  const messages = [];
  for (const turn of turns) {
    messages.push({role: 'user', content: turn.prompt});
    messages.push({role: 'assistant', content: textOf(turn.answers[side] || turn.answers[0])});
  }
  messages.push({role: 'user', content: prompt});
  return messages;
}

/** Path and body of a request. `mode` is text or chat. */
function requestFor({mode, model, prompt, messages, exit, settings}) {
  const body = {
    model: model.id, stream: true, stream_options: {include_usage: true},
    max_tokens: settings.tokens, temperature: settings.temperature, seed: settings.seed,
    gyre: {tokens: true, lens: settings.words, exit},
  };
  if (mode === 'chat') return {path: 'v1/chat/completions', body: {...body, messages}};
  return {path: 'v1/completions', body: {...body, prompt}};
}

/** What a model is, in a line. */
function modelFacts(model) {
  const about = model.gyre;
  const looped = loopedGroupsOf(model);
  const loops = looped.length
    ? looped.map(group => `${group.name} ${group.layers} × ${group.loops}`).join(', ') + ' (layers × loops)'
    : 'no looped groups: there is no depth to choose';
  return [about.family, about.weights, loops, `context ${plural(about.context, 'token')}`].filter(Boolean).join(' · ');
}
