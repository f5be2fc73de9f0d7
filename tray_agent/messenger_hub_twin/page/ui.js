// What a person sees: the code to scan, or the chats with their messages and ticks. Reads the stores, changes nothing in them.
(function () {
  'use strict';

  twinModule('TwinUi', (exports, use) => {
    const app = document.getElementById('app');
    const state = { shown: '', chat: null, pairingCode: '', passkey: false, scheduled: false };

    const conn = () => use('WAWebConnModel').Conn;
    const stream = () => use('WAWebStreamModel').Stream;
    const line = () => use('WAWebSocketModel').Socket;
    const idle = () => line().state === 'UNPAIRED_IDLE';
    const chats = () => use('WAWebChatCollection').ChatCollection;
    const messages = () => use('WAWebMsgCollection').MsgCollection;

    // element('p.note', 'text') or element('div', child, child)
    function element(what, ...children) {
      const [name, ...classes] = what.split('.');
      const made = document.createElement(name);
      made.classList.add(...classes);
      made.append(...children);
      return made;
    }

    // ---- the code to scan ---------------------------------------------------------------------------------------------

    async function scan(button) {
      button.disabled = true;
      const body = JSON.stringify({ page: use('TwinBackend').page() });
      const answer = await fetch('/_twin/scan', { method: 'POST', body });
      if (!answer.ok) button.disabled = false;
    }

    // When the codes are used up the last one is void: it fades, and a button over it asks for more.
    function code(reference) {
      const picture = element('img.qr');
      picture.alt = 'QR code';
      picture.src = `/qr.svg?text=${encodeURIComponent(reference || '')}`;
      const frame = element('div.frame', picture);
      if (!idle()) {
        frame.dataset.ref = reference;
        return frame;
      }
      const button = element('button.reload', element('span.arrow', '↻'), 'Click to reload QR code');
      button.addEventListener('click', () => use('WAWebBackendEventBus').BackendEventBus.triggerRefreshQR());
      frame.classList.add('void');
      frame.append(button);
      return frame;
    }

    function linkView() {
      const steps = element('ol',
        element('li', 'Open WhatsApp on your phone'),
        element('li', 'Tap Linked devices, then Link a device'),
        element('li', 'Point the phone at this screen to scan the code'));
      const button = element('button', 'Scan it for me');
      button.disabled = idle();
      button.addEventListener('click', () => scan(button));
      const text = element('div.steps', element('h1', 'Link with your phone'), steps,
        element('p.note', 'This is a twin of WhatsApp Web. No phone is needed: it can play one.'), button);
      if (state.pairingCode) {
        text.append(element('p', 'Or type this code into the phone:'), element('p.pairing', state.pairingCode));
      }
      return element('main.link', text, code(conn().ref));
    }

    function noteView(title, text) {
      return element('main.link', element('div.steps', element('h1', title), element('p', text)));
    }

    // ---- chats --------------------------------------------------------------------------------------------------------

    const personOf = (wid) => {
      const { lidPnCache } = use('WAWebLidPnCache');
      return wid.isLid() ? lidPnCache.getPhoneNumber(wid) || wid : wid;
    };
    const numberOf = (wid) => `+${personOf(wid).user}`;

    function nameOf(chat) {
      if (chat.id.isGroup()) return chat.name;
      const saved = use('WAWebContactCollection').ContactCollection.get(personOf(chat.id));
      return (saved && saved.name) || chat.name || numberOf(chat.id);
    }

    const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

    const HUES = 360;
    function avatar(name) {
      const made = element('span.avatar', name.replace(/^\+/, '').slice(0, 1).toUpperCase());
      const hue = [...name].reduce((sum, letter) => sum + letter.codePointAt(0) * 7, 0) % HUES;
      made.style.background = `hsl(${hue} 45% 45%)`;
      return made;
    }

    // WhatsApp's ticks: clock, one grey, two grey, two blue; a mark for what was refused.
    function ticks(ack) {
      const [text, kind, label] = ack < 0 ? ['!', 'refused', 'not sent'] : [
        ['🕓', 'waiting', 'waiting'], ['✓', 'sent', 'sent'], ['✓✓', 'delivered', 'delivered'], ['✓✓', 'read', 'read'],
      ][Math.min(ack, 3)];
      const made = element(`span.ticks.${kind}`, text);
      made.title = label;
      return made;
    }

    function row(chat) {
      const last = chat.msgs.last();
      const preview = element('p.preview');
      if (last && last.id.fromMe) preview.append(ticks(last.ack), ' ');
      preview.append(last ? last.body : 'No messages yet');
      const head = element('p.head', element('span.name', nameOf(chat)), element('time', last ? time(last.t) : ''));
      const made = element('button.row', avatar(nameOf(chat)), element('span.text', head, preview));
      made.classList.toggle('open', chat === state.chat);
      if (chat.unreadCount) made.append(element('span.unread', String(chat.unreadCount)));
      made.addEventListener('click', () => {
        state.chat = chat;
        schedule();
      });
      return made;
    }

    function bubble(message) {
      const made = element(`div.bubble.${message.id.fromMe ? 'out' : 'in'}`);
      if (message.id.remote.isGroup() && !message.id.fromMe) {
        made.append(element('p.author', message.notifyName || numberOf(message.author)));
      }
      made.append(element('p.body', message.body));
      const foot = element('p.foot', element('time', time(message.t)));
      if (message.id.fromMe) foot.append(' ', ticks(message.ack));
      made.append(foot);
      return made;
    }

    function chatView(chat) {
      if (!chat) {
        const hint = element('p', 'Messages that programs send through Messenger Hub appear here as they arrive.');
        return element('section.chat.empty', element('div', element('h2', 'Nothing here yet'), hint));
      }
      const subtitle = chat.id.isGroup() ? `${chat.groupMetadata.participants.length} members` : numberOf(chat.id);
      const head = element('header', avatar(nameOf(chat)),
        element('div', element('p.name', nameOf(chat)), element('p.sub', subtitle)));
      const list = element('div.messages', ...chat.msgs.getModelsArray().slice(-200).map(bubble));
      return element('section.chat', head, list);
    }

    function chatsView() {
      const all = chats().getModelsArray().sort((a, b) => (b.t || 0) - (a.t || 0));
      const newest = all[0] && all[0].msgs.length ? all[0] : null;
      const shown = state.chat || newest;
      const online = stream().info === 'NORMAL';
      const title = element('header', avatar(conn().pushname || 'Me'),
        element('div', element('p.name', conn().pushname || 'Chats'),
          element('p.sub', online ? 'linked' : 'connecting…')));
      const side = element('nav', title, ...all.slice(0, 100).map(row));
      side.id = 'side';
      return element('main.chats', side, chatView(shown));
    }

    // ---- drawing ------------------------------------------------------------------------------------------------------

    function view() {
      if (stream().mode === 'MAIN' || (conn().connected && stream().mode !== 'QR')) return chatsView();
      if (state.passkey) return noteView('Confirm with your passkey', 'WhatsApp asks the owner of this account for a passkey.');
      if (conn().ref || idle()) return linkView();
      return noteView('WhatsApp', 'Loading…');
    }

    function draw() {
      state.scheduled = false;
      if (conn().connected || conn().ref) state.passkey = false;
      app.replaceChildren(view());
      const list = app.querySelector('.messages');
      if (list) list.scrollTop = list.scrollHeight;
    }

    // A burst of changes is one picture.
    function schedule() {
      if (state.scheduled) return;
      state.scheduled = true;
      setTimeout(draw, 100);
    }

    exports.showPairingCode = (text) => {
      state.pairingCode = text;
      schedule();
    };
    exports.showPasskey = () => {
      state.passkey = true;
      schedule();
    };
    exports.start = () => {
      for (const each of [conn(), stream(), line(), chats(), messages(), use('WAWebContactCollection').ContactCollection]) {
        each.on('all', schedule);
      }
      draw();
    };
  });
})();
