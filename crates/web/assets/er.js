(function () {
  'use strict';
  var root = document.documentElement;
  function keep(key, value) {
    try {
      if (value === undefined) return localStorage.getItem('er-' + key);
      if (value === null) localStorage.removeItem('er-' + key);
      else localStorage.setItem('er-' + key, value);
    } catch (refused) { /* Storage is off: nothing is remembered. */ }
    return null;
  }
  root.className = 'scripted';
  // Before the first paint, so that no other theme flashes up.
  var theme = keep('theme');
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;

  function all(selector) { return Array.from(document.querySelectorAll(selector)); }
  function make(tag, properties, parent) {
    var element = Object.assign(document.createElement(tag), properties);
    if (parent) parent.appendChild(element);
    return element;
  }

  var seen = new WeakSet(), status = null;
  // Calls `act` with each new element.
  function parsed(selector, act) {
    all(selector).forEach(element => {
      if (seen.has(element)) return;
      seen.add(element);
      act(element);
    });
  }

  function addTheme() {
    var nav = document.querySelector('.top nav');
    var dark = matchMedia('(prefers-color-scheme: dark)');
    var button = make('button', { type: 'button' }, nav);
    function isDark() { return root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches; }
    function label() { button.textContent = isDark() ? 'Light' : 'Dark'; button.title = 'Use the ' + button.textContent.toLowerCase() + ' theme'; }
    button.addEventListener('click', () => {
      var next = isDark() ? 'light' : 'dark';
      // The choice of the system needs no memory.
      if ((next === 'dark') === dark.matches) { delete root.dataset.theme; keep('theme', null); }
      else { root.dataset.theme = next; keep('theme', next); }
      label();
    });
    dark.addEventListener('change', label);
    label();
  }

  function addCopy(source) {
    var isBlock = source.tagName === 'PRE';
    var button = make('button', { type: 'button', className: 'copy', textContent: 'Copy' });
    button.setAttribute('aria-label', isBlock ? 'Copy these lines' : 'Copy the whole value');
    if (isBlock) source.prepend(button); else source.after(button);
    button.addEventListener('click', () => {
      var text = isBlock ? source.querySelector('code').textContent : source.dataset.copy;
      function say(words) { status.textContent = button.textContent = words; }
      navigator.clipboard.writeText(text.replace(/\n$/, '')).then(() => say('Copied'), () => say('Failed'));
      setTimeout(() => { button.textContent = 'Copy'; status.textContent = ''; }, 1500);
    });
  }

  function quick(one) {
    var line = document.querySelector('[data-quick] code');
    if (line) line.textContent = one.querySelector('code').textContent;
  }
  function addInstall(one) {
    var kind = keep('install');
    if (kind) one.open = one.dataset.kind === kind;
    one.addEventListener('click', event => {
      if (one.open || !event.target.closest('summary')) return;
      keep('install', one.dataset.kind);
      quick(one);
    });
  }
  function showInstall() {
    var one = document.querySelector('.install [open]') || document.querySelector('.install details');
    one.open = true;
    quick(one);
  }

  function showTab() {
    var tab = document.querySelector('.tabs [aria-current]');
    // On narrow screens the current tab may lie outside of the view.
    if (tab) tab.parentNode.scrollLeft = tab.offsetLeft - tab.parentNode.offsetLeft - 40;
  }

  // What the script adds is added while the page is parsed, before it is painted: nothing moves.
  // An element is complete when the next one has begun.
  function added() {
    parsed('body', body => { status = make('div', { className: 'vh', role: 'status' }, body); });
    parsed('main', addTheme);
    parsed('.tabs + *', showTab);
    parsed('.install details', addInstall);
    parsed('.install + *', showInstall);
    if (navigator.clipboard) parsed('[data-copy]', addCopy);
  }
  var parsing = new MutationObserver(added);
  parsing.observe(root, { childList: true, subtree: true });

  function keys(input) {
    var help = null;
    document.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      var isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (event.key === '/' && !isTyping) { event.preventDefault(); input.focus(); input.select(); }
      if (event.key === '?' && !isTyping) {
        if (!help) {
          help = make('dialog', {}, document.body);
          help.setAttribute('aria-label', 'Keys');
          var list = make('dl', { className: 'facts' }, help);
          [['/', 'search'], ['↑ ↓', 'choose a suggestion'], ['Enter', 'open it'], ['Esc', 'leave the search'], ['?', 'show the keys']].forEach(row => {
            make('kbd', { textContent: row[0] }, make('dt', {}, list));
            make('dd', { textContent: row[1] }, list);
          });
          make('button', { type: 'button', textContent: 'Close' }, help).addEventListener('click', () => help.close());
        }
        help.showModal();
      }
    });
  }

  function suggestions(input) {
    var form = input.form, list = null, timer = 0, asked = null, chosen = -1;
    var attributes = { role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': 'suggestions' };
    Object.keys(attributes).forEach(name => input.setAttribute(name, attributes[name]));
    list = make('ul', { id: 'suggestions', className: 'suggest', hidden: true }, form);
    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-label', 'Suggestions');
    function close() {
      clearTimeout(timer);
      if (asked) asked.abort();
      list.hidden = true;
      list.textContent = '';
      chosen = -1;
      input.setAttribute('aria-expanded', 'false');
      input.removeAttribute('aria-activedescendant');
    }
    function choose(index) {
      var options = list.children;
      chosen = (index + options.length + 1) % (options.length + 1);
      // One place beyond the last option is the text that was typed.
      if (chosen === options.length) chosen = -1;
      for (var i = 0; i < options.length; i++) options[i].setAttribute('aria-selected', i === chosen);
      if (chosen < 0) input.removeAttribute('aria-activedescendant');
      else input.setAttribute('aria-activedescendant', options[chosen].id);
    }
    function open(index) { location.assign(list.children[index].dataset.href); }
    function show(rows) {
      close();
      rows.forEach((row, index) => {
        var option = make('li', { id: 'suggestion-' + index }, list);
        option.setAttribute('role', 'option');
        option.setAttribute('aria-selected', 'false');
        option.dataset.href = form.dataset.base + '/' + encodeURIComponent(row.type) + '/' + encodeURIComponent(row.name);
        make('bdi', { textContent: row.name }, option);
        option.append(' ');
        make('span', { className: 'version', textContent: row.version }, option);
        option.append(' ');
        make('span', { className: 'type ' + row.type, textContent: row.type }, option);
        option.addEventListener('mousedown', event => { event.preventDefault(); open(index); });
      });
      list.hidden = !rows.length;
      input.setAttribute('aria-expanded', String(rows.length > 0));
    }
    input.addEventListener('input', () => {
      clearTimeout(timer);
      if (asked) asked.abort();
      var words = input.value.trim();
      if (!words) return close();
      timer = setTimeout(() => {
        var request = asked = new AbortController();
        fetch(form.dataset.suggest + '?limit=8&q=' + encodeURIComponent(words), { signal: request.signal })
          .then(answer => answer.ok ? answer.json() : [])
          .then(rows => { if (!request.signal.aborted && document.activeElement === input) show(rows); })
          .catch(() => { /* Aborted or offline: the form still works. */ });
      }, 120);
    });
    input.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.preventDefault();
        if (list.hidden) input.blur(); else close();
      } else if (!list.hidden && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
        event.preventDefault();
        choose(event.key === 'ArrowDown' ? chosen + 1 : (chosen < 0 ? list.children.length : chosen) - 1);
      } else if (event.key === 'Enter' && chosen >= 0) {
        event.preventDefault();
        open(chosen);
      }
    });
    input.addEventListener('blur', close);
  }

  function lines() {
    var code = document.querySelector('.lines');
    if (!code) return;
    var anchor = 0;
    function mark() {
      var range = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash);
      all('.lines .on').forEach(line => line.classList.remove('on'));
      if (!range) return;
      var first = Number(range[1]), last = Number(range[2] || first);
      anchor = first;
      for (var i = Math.min(first, last); i <= Math.max(first, last); i++) {
        var line = document.getElementById('L' + i);
        if (!line) break;
        line.classList.add('on');
      }
      var start = range[2] && document.getElementById('L' + Math.min(first, last));
      if (start) start.scrollIntoView({ block: 'center' });
    }
    code.addEventListener('click', event => {
      var number = event.target.closest('a');
      if (!number || !event.shiftKey || !anchor) return;
      event.preventDefault();
      var to = Number(number.textContent);
      history.replaceState(null, '', '#L' + Math.min(anchor, to) + '-L' + Math.max(anchor, to));
      mark();
    });
    addEventListener('hashchange', mark);
    mark();
  }

  document.addEventListener('DOMContentLoaded', () => {
    var input = document.getElementById('q');
    parsing.disconnect();
    added();
    keys(input);
    suggestions(input);
    lines();
  });
})();
