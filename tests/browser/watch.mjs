// Notes what a page must not do: errors, violations of its policy, requests to other hosts, scripts of publishers.

/** Runs in every document before its own scripts. */
function instrument() {
  const tell = text => window.tellWatch(text);
  window.canary = what => tell(`a script of a publisher ran: ${what}`);
  window.alert = window.confirm = window.prompt = what => tell(`a dialog was opened: ${what}`);
  addEventListener('securitypolicyviolation', event =>
    tell(`${event.violatedDirective} forbids ${event.blockedURI || 'inline'} at ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
  // The theme that the body is first painted with.
  new MutationObserver((_, observer) => {
    if (!document.body) return;
    window.firstTheme = document.documentElement.dataset.theme ?? '';
    observer.disconnect();
  }).observe(document, { childList: true, subtree: true });
  window.shifts = [];
  new PerformanceObserver(list => {
    for (const shift of list.getEntries()) {
      if (shift.hadRecentInput) continue;
      const moved = shift.sources.map(({ node }) => (node?.outerHTML ?? node?.textContent ?? '').slice(0, 120));
      window.shifts.push({ value: shift.value, moved });
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

export class Watch {
  #findings = [];
  #requests = [];
  #expected = new Set();

  static async over(context) {
    const watch = new Watch();
    await context.exposeBinding('tellWatch', ({ frame }, text) => watch.#note(frame.url(), text));
    await context.addInitScript(instrument);
    context.on('console', message => watch.#said(message));
    context.on('weberror', error => watch.#note(error.page()?.url(), `an error was thrown: ${error.error()}`));
    context.on('requestfinished', request => watch.#requests.push(request));
    context.on('request', request => watch.#requested(request));
    context.on('page', page => page.on('popup', popup => watch.#note(page.url(), `a window was opened: ${popup.url()}`)));
    return watch;
  }

  /** Allows the console to report that this address failed. */
  expectFailure(url) {
    this.#expected.add(url);
  }

  /** Returns the findings so far, and forgets them. */
  takeFindings() {
    return this.#findings.splice(0);
  }

  /** Returns the finished requests so far, and forgets them. */
  takeRequests() {
    return this.#requests.splice(0);
  }

  #said(message) {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    const { url } = message.location();
    if (this.#expected.has(url) && message.text().startsWith('Failed to load resource')) return;
    this.#note(message.page()?.url(), `the console has: ${message.text()} (${url})`);
  }

  #requested(request) {
    const url = new URL(request.url());
    const page = request.frame().url();
    const origin = page.startsWith('http') ? new URL(page).origin : url.origin;
    if (url.protocol !== 'data:' && url.hostname !== '127.0.0.1') this.#note(page, `asked another host: ${url}`);
    else if (url.origin !== origin && !request.isNavigationRequest()) this.#note(page, `asked another service: ${url}`);
  }

  #note(page, text) {
    this.#findings.push(`${page ?? 'a page'}: ${text}`);
  }
}
