// Ask the JSON API. While the server still reads a capture it answers 202; then ask again until it has.

const PAUSES = [300, 500, 1000]; // milliseconds between questions, the last one from then on

export async function loadText(url, { onwait = () => {}, accept = "application/json" } = {}) {
  for (let tries = 0; ; tries++) {
    const answer = await fetch(url, { headers: { Accept: accept } });
    const text = await answer.text();
    if (answer.status !== 202) {
      if (!answer.ok) throw new Error(problem(text, answer));
      return text;
    }
    onwait(parsed(text));
    await pause(tries);
  }
}

export async function post(url) {
  const token = document.querySelector("meta[name=csrf-token]");
  const headers = { Accept: "application/json" };
  if (token) headers[token.dataset.header] = token.content;
  const answer = await fetch(url, { method: "POST", headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(problem(text, answer));
  return parsed(text);
}

export function pause(tries) {
  return new Promise((resume) => setTimeout(resume, PAUSES[Math.min(tries, PAUSES.length - 1)]));
}

// "Reading the capture, 12 s so far." and what the server says besides.
export function waiting({ seconds, message } = {}, doing = "Reading the capture") {
  const so = seconds >= 1 ? `${doing}, ${Math.round(seconds)} s so far.` : `${doing}…`;
  return message ? `${so} ${message}` : so;
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

// What a failed answer says: what happened and what to do.
function problem(text, answer) {
  const { error, mend, message, detail } = parsed(text);
  const said = [error ?? message ?? detail, mend].filter((each) => typeof each === "string").join(" ");
  return said || `The server answered ${answer.status} ${answer.statusText}.`;
}
