// The page's line to the phone network: one WebSocket, the link's credentials, and an outbox that survives reload and crash.
(function () {
  'use strict';

  const RECONNECT_MS = 500;
  // In localStorage, as WhatsApp keeps its own.
  const CREDENTIALS = 'twin.link';
  const OWNER = 'twin.me';

  // ---- the outbox: what WhatsApp's server has not taken yet, and what it refused --------------------------------------------
  twinModule('TwinOutbox', (exports, use) => {
    const opened = new Promise((resolve, reject) => {
      const request = indexedDB.open('twin', 1);
      request.onupgradeneeded = () => request.result.createObjectStore('outgoing', { keyPath: 'id' });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });

    async function stored(act) {
      const database = await opened;
      const transaction = database.transaction('outgoing', 'readwrite', { durability: 'strict' });
      const request = act(transaction.objectStore('outgoing'));
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      return request.result;
    }

    const waiting = new Map(); // id → settle(answer), for those whose sender still listens
    const underWay = new Set(); // ids that were sent on the connection as it is now

    async function transmit(entry) {
      if (underWay.has(entry.id)) return;
      underWay.add(entry.id);
      const answer = await use('TwinBackend').askOnce({ op: 'send', id: entry.id, chat: entry.chat, body: entry.body });
      if (answer.error) await stored((store) => store.put({ ...entry, ack: -1, code: answer.code }));
      else await stored((store) => store.delete(entry.id));
      underWay.delete(entry.id);
      waiting.get(entry.id)?.(answer);
      waiting.delete(entry.id);
      if (!answer.error) use('TwinOutbox').onTaken(entry, answer);
    }

    exports.onTaken = () => {};

    exports.send = async (entry) => {
      const answer = new Promise((resolve) => waiting.set(entry.id, resolve));
      await stored((store) => store.put({ ...entry, ack: 0 }));
      if (use('TwinBackend').isOpen()) transmit({ ...entry, ack: 0 });
      return answer;
    };

    // Everything in the outbox; messages that were refused are never sent again.
    exports.entries = () => stored((store) => store.getAll());

    exports.resend = async () => {
      for (const entry of await exports.entries()) if (entry.ack === 0) transmit(entry);
    };

    exports.connectionLost = () => underWay.clear();
    exports.clear = () => stored((store) => store.clear());
  });

  // ---- the line ---------------------------------------------------------------------------------------------------------
  twinModule('TwinBackend', (exports, use) => {
    const page = (sessionStorage.twinPage ||= crypto.randomUUID().slice(0, 8));
    const asked = new Map(); // number → {frame, resolve, isRepeated}
    let socket = null;
    let number = 0;
    let me = JSON.parse(localStorage.getItem(OWNER) || '{}');
    let lidChats = true;
    let restrictedUntil = 0;
    let version = 0;
    let greeted = false; // the network has answered on this connection

    const wid = (id) => use('WAWebWidFactory').createWid(id);
    const bus = () => use('WAWebBackendEventBus').BackendEventBus;
    const stores = () => ({
      conn: use('WAWebConnModel').Conn,
      stream: use('WAWebStreamModel').Stream,
      socket: use('WAWebSocketModel').Socket,
      cmd: use('WAWebCmd').Cmd,
      network: use.default('WAWebNetworkStatus'),
      contacts: use('WAWebContactCollection').ContactCollection,
      chats: use('WAWebChatCollection').ChatCollection,
      messages: use('WAWebMsgCollection').MsgCollection,
      groups: use.default('WAWebGroupMetadataCollection'),
      history: use('WAWebHistorySyncProgressModel').getHistorySyncProgressModel(),
    });

    Object.assign(exports, {
      me: () => me,
      isLinked: () => Boolean(localStorage.getItem(CREDENTIALS)),
      isOpen: () => greeted && socket?.readyState === WebSocket.OPEN,
      restrictedUntil: () => restrictedUntil,
      page: () => page,
    });

    exports.send = (frame) => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
    };
    function ask(frame, isRepeated) {
      return new Promise((resolve) => {
        number += 1;
        const numbered = { n: number, ...frame };
        asked.set(number, { frame: numbered, resolve, isRepeated });
        exports.send(numbered);
      });
    }
    // As WhatsApp's: what has no answer when the connection is lost is asked again on the next one.
    exports.ask = (frame) => ask(frame, true);
    // For what changes something: the outbox repeats messages itself, and of contacts it is not known.
    exports.askOnce = (frame) => ask(frame, false);
    exports.reconnect = () => socket?.close();

    // Keeps that a number and a hidden id are one person; says under which of them a chat with that person stands.
    exports.learn = ({ pn, lid }) => {
      const number = wid(pn);
      use('WAWebLidPnCache').lidPnCache.add(wid(lid), { lid: wid(lid), phoneNumber: number, phoneNumberCreatedAt: 0 });
      return { number, chat: lidChats ? wid(lid) : number };
    };

    function chatOf(message) {
      const group = message.chat.endsWith('@g.us');
      const id = group ? wid(message.chat) : exports.learn({ pn: message.chat, lid: message.chat_lid }).chat;
      return stores().chats.get(id) || stores().chats.add({ id, name: message.chat_name, t: 0, unreadCount: 0 });
    }

    // A group's messages name their author; ours are named by our hidden id.
    function keyOf(message, chat) {
      const Key = use.default('WAWebMsgKey');
      const participant = chat.id.isGroup() ? (message.outgoing ? me.lid : message.lid) : undefined;
      return new Key({ fromMe: message.outgoing, remote: chat.id, id: message.id, participant });
    }

    function show(message, isNew) {
      version = Math.max(version, message.version || 0);
      const chat = chatOf(message);
      const id = keyOf(message, chat);
      const known = stores().messages.get(id);
      if (known) {
        known.updateAck(message.ack);
        return;
      }
      stores().messages.into(chat, {
        id, body: message.body, type: 'chat', t: message.t, ack: message.ack, isNewMsg: isNew,
        from: message.outgoing ? wid(me.pn) : chat.id, to: message.outgoing ? chat.id : wid(me.pn),
        author: chat.id.isGroup() ? wid(message.sender) : undefined, notifyName: message.name,
        self: message.outgoing ? 'out' : 'in',
      });
    }

    // What was on its way when the page died is shown again with its clock, what was refused with its mark.
    async function showOutbox() {
      for (const entry of await use('TwinOutbox').entries()) {
        const id = use.default('WAWebMsgKey').fromString(entry.key);
        if (stores().messages.get(id)) continue;
        const chat = stores().chats.get(id.remote) || stores().chats.add({ id: id.remote, t: 0, unreadCount: 0 });
        stores().messages.into(chat, {
          id, body: entry.body, type: 'chat', t: entry.t, ack: entry.ack, errorCode: entry.code, from: wid(me.pn), to: chat.id,
          self: 'out', isNewMsg: false,
        });
      }
    }

    const contactId = (number) => wid(`${number}@c.us`);

    const events = {
      qr({ reference }) {
        const { conn, stream, socket: line } = stores();
        stream.set({ info: 'PAIRING', mode: 'QR' });
        line.set({ stream: 'CONNECTED' });
        conn.set({ connected: false, ref: reference });
        bus().triggerSetSocketState('UNPAIRED');
      },
      // As WhatsApp's, the page keeps the last code, which is void: only the socket's state tells.
      idle() {
        const { conn, stream, socket: line } = stores();
        stream.set({ info: 'PAIRING', mode: 'QR' });
        line.set({ stream: 'CONNECTED' });
        conn.set({ connected: false });
        bus().triggerSetSocketState('UNPAIRED_IDLE');
      },
      passkey() {
        const { conn, socket: line } = stores();
        conn.set({ ref: undefined });
        line.set({ state: 'PAIRING' });
        use('TwinUi').showPasskey();
      },
      paired({ token }) {
        localStorage.setItem(CREDENTIALS, token);
        stores().conn.set({ ref: undefined });
      },
      linked({ me: who, lid_chats, contacts, groups, restricted_until }) {
        const { conn, stream, socket: line, cmd, contacts: book, groups: metadata, chats, history } = stores();
        me = who;
        localStorage.setItem(OWNER, JSON.stringify(me));
        lidChats = lid_chats;
        restrictedUntil = restricted_until;
        exports.learn(me);
        if (version === 0) history.set({ realProgress: 0 });
        for (const contact of contacts) events.contact(contact);
        book.add({ id: wid(me.pn), name: me.name, isAddressBookContact: 0 });
        for (const { id, subject, members } of groups) {
          const participants = members.map((member) => ({ id: contactId(member) }));
          metadata.add({ id: wid(id), subject, participants });
          chats.add({ id: wid(id), name: subject, t: 0, unreadCount: 0 });
        }
        line.set({ state: 'CONNECTED', stream: 'CONNECTED' });
        conn.set({ connected: true, ref: undefined, wid: wid(me.pn), pushname: me.name });
        stream.set({ info: 'NORMAL', mode: 'SYNCING' });
        stream.set({ mode: 'MAIN' });
        cmd.mainLoaded();
      },
      messages({ messages }) {
        const isNew = stores().history.realProgress === 100;
        for (const message of messages) show(message, isNew);
      },
      async history_done({ version: latest }) {
        version = Math.max(version, latest);
        greeted = true;
        await showOutbox();
        stores().history.set({ realProgress: 100 });
        await use('TwinOutbox').resend();
      },
      receipt({ chat, id, ack, version: latest }) {
        version = Math.max(version, latest);
        const handlers = use('WAWebHandleMsgSimpleReceipt');
        const handle = chat.endsWith('@g.us') ? handlers.handleGroupSimpleReceipt : handlers.handleChatSimpleReceipt;
        handle({
          type: 'receipt', externalIds: [id], from: wid(chat), participant: null, recipient: null,
          ts: use('WAWebTimeUtils').unixTime(), ack, ackString: ack === 2 ? 'delivery' : 'read',
        });
      },
      contact({ number, first_name, last_name }) {
        const name = `${first_name} ${last_name}`.trim();
        const entry = { name, shortName: first_name, type: 'in', isAddressBookContact: 1, syncToAddressbook: true };
        stores().contacts.add({ id: contactId(number) }).set(entry);
      },
      contact_removed({ number }) {
        const gone = { name: undefined, shortName: undefined, isAddressBookContact: 0, type: undefined };
        stores().contacts.get(contactId(number))?.set(gone);
      },
      restricted({ until }) {
        restrictedUntil = until;
      },
      needs_update() {
        stores().stream.set({ needsUpdate: true });
      },
      async logout({ cause }) {
        const { conn, cmd } = stores();
        localStorage.removeItem(CREDENTIALS);
        localStorage.removeItem(OWNER);
        await use('TwinOutbox').clear();
        use('WAWebLogoutReasonUtils').getErrorCodeFromLogoutReason(cause);
        conn.set({ connected: false });
        cmd.trigger('logout');
        setTimeout(() => location.reload(), 300);
      },
      crash() {
        // The parser of selectors, and layout, recurse as deep as they are told to: the end of the stack ends the renderer at once.
        // Running out of memory takes seconds, and arrays that grow too long throw.
        try {
          document.querySelector(':not('.repeat(50000) + 'p' + ')'.repeat(50000));
        } catch {
          let deepest = document.body;
          for (let depth = 0; depth < 5000; depth += 1) deepest = deepest.appendChild(document.createElement('div'));
          document.body.getBoundingClientRect();
        }
      },
      hang() {
        for (;;);
      },
    };

    function lost() {
      const { stream, socket: line, network } = stores();
      greeted = false;
      for (const [n, { isRepeated }] of asked) if (!isRepeated) asked.delete(n);
      use('TwinOutbox').connectionLost();
      network.set({ online: false });
      line.set({ state: 'OPENING', stream: 'DISCONNECTED' });
      stream.set({ info: 'OPENING' });
      setTimeout(connect, RECONNECT_MS);
    }

    function connect() {
      socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`);
      socket.onopen = () => {
        stores().network.set({ online: true });
        exports.send({
          op: 'hello', page, build: Number(document.body.dataset.build), token: localStorage.getItem(CREDENTIALS) || '',
          since: version,
        });
        for (const { frame } of asked.values()) exports.send(frame);
      };
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.n) {
          asked.get(frame.n)?.resolve(frame);
          asked.delete(frame.n);
        } else {
          events[frame.ev](frame);
        }
      };
      socket.onclose = lost;
    }

    exports.start = () => {
      use('TwinOutbox').onTaken = ({ key }) => {
        stores().messages.get(use.default('WAWebMsgKey').fromString(key))?.updateAck(use('WAWebAck').ACK.SENT);
      };
      connect();
    };
  });
})();
