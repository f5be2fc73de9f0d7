// What the console does without a form: tells pages that something has changed, shows codes as they come, copies, and says times in
// the reader's zone. Nothing here is needed to use the console but the codes.

const PAUSE_MS = 3000;

function sayTimes(root) {
  const exact = new Intl.DateTimeFormat(document.documentElement.lang, {dateStyle: "medium", timeStyle: "medium"});
  const short = new Intl.RelativeTimeFormat(document.documentElement.lang, {numeric: "auto"});
  for (const one of root.querySelectorAll("time")) {
    const at = new Date(one.dateTime);
    one.title = exact.format(at);
    one.textContent = spoken(at, short, exact);
  }
}

function spoken(at, short, exact) {
  const seconds = (at - Date.now()) / 1000;
  for (const [unit, size, most] of [["second", 1, 60], ["minute", 60, 60], ["hour", 3600, 24], ["day", 86400, 7]]) {
    if (Math.abs(seconds) / size < most) return short.format(Math.round(seconds / size), unit);
  }
  return exact.format(at);
}

async function askAgain(address, listen) {
  const answer = await fetch(address, {method: "HEAD"}).catch(() => null);
  if (answer?.status === 401) location.reload();
  else listen();
}

// A browser opens six connections to one address at most: only the tab that somebody looks at keeps one.
function hearChanges(address) {
  let source = null;
  const changed = () => document.body.dispatchEvent(new CustomEvent("hub-changed"));
  const listen = () => {
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource(address);
    source.onmessage = changed;
    // A refusal ends a source for good; a hub that starts again must not, and who was signed out is told.
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => askAgain(address, listen), PAUSE_MS);
    };
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

function showStream(target) {
  const source = new EventSource(target.dataset.stream);
  const show = (message) => {
    target.innerHTML = message.data;
    sayTimes(target);
  };
  source.onmessage = show;
  source.addEventListener("end", (message) => {
    source.close();
    show(message);
  });
}

async function copy(button) {
  const target = document.querySelector(button.dataset.copy);
  if (!navigator.clipboard) {
    getSelection().selectAllChildren(target); // pages that came without TLS from elsewhere have no clipboard
    return;
  }
  await navigator.clipboard.writeText(target.textContent);
  button.dataset.label ??= button.innerHTML;
  button.textContent = button.dataset.copied;
  setTimeout(() => (button.innerHTML = button.dataset.label), PAUSE_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
// Two clicks are one wish: a second key would end the first one, and a second answer hide it.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
document.body.addEventListener("htmx:after:swap", () => sayTimes(document));
sayTimes(document);
setInterval(() => sayTimes(document), 30_000);
document.querySelectorAll("[data-stream]").forEach(showStream);
document.querySelectorAll("[data-go]").forEach((link) => location.replace(link.href));
document.querySelector("nav [aria-current]")?.scrollIntoView({block: "nearest", inline: "center"});
if (document.body.dataset.changes) hearChanges(document.body.dataset.changes);
