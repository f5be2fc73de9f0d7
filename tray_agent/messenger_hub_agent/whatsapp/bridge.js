// The only caller of WPP.*: wraps what the agent asks of WhatsApp Web into plain JSON, because the page's own objects cannot leave it.
// Evaluated before the page's scripts, right after wa-js. Every call answers {ok: true, value} or {ok: false, code, message}.
(emit) => {
  'use strict';

  const SETTLED_MS = 30000; // without news of the history for so long, there is none to wait for
  const PASSKEY_MS = 4000; // linking normally goes from the code to the account in one or two seconds
  const UNKNOWN_END_MS = 600000; // a restriction whose end the page does not tell is looked at again then

  const text = (value) => (value === undefined || value === null ? null : String(value));
  const wpp = () => self.WPP;
  const stores = () => wpp().whatsapp;
  const wid = (id) => stores().WidFactory.createWid(id);

  class Refusal extends Error {
    constructor(code, message) {
      super(message);
      this.code = code;
    }
  }

  // A module of the page by its name, where this version of the page has it.
  function pageModule(name) {
    try {
      return self.require('__debug').modulesMap[name] ? self.importNamespace(name) : null;
    } catch {
      return null;
    }
  }

  // ---- the page's state -------------------------------------------------------------------------------------------------

  let shownCode = false; // since this account was linked last on this load of the page
  const since = { history: 0, progress: -1, pairing: 0, linked: 0 };

  // The history of a link arrives after MAIN; until it is complete, absence of a message proves nothing.
  function historyOver() {
    const { inProgress, progress } = wpp().conn.getHistorySyncProgress();
    if (!inProgress) return true;
    if (progress !== since.progress || since.history === 0) Object.assign(since, { progress, history: Date.now() });
    return Date.now() - since.history > SETTLED_MS;
  }

  let loggedOut = false;
  let usedUp = null;

  // The page has no more codes and waits to be asked. It keeps the last one, until the next comes, though no phone accepts it.
  function isIdle() {
    const idle = !wpp().conn.isAuthenticated() && Boolean(wpp().conn.isIdle());
    if (idle) usedUp = stores().Conn.ref;
    return idle;
  }

  // Scanned, no code any more, and yet no account: WhatsApp waits for something at the owner's, which we cannot see.
  function waitsForPasskey(authenticated, mode) {
    const stalled = !authenticated && mode === 'QR' && !stores().Conn.ref && stores().Socket.state === 'PAIRING';
    if (!stalled) since.pairing = 0;
    else if (since.pairing === 0) since.pairing = Date.now();
    return stalled && Date.now() - since.pairing > PASSKEY_MS;
  }

  function restriction() {
    const utils = pageModule('WAWebReachoutTimelockUtils');
    if (!utils || !utils.isUserReachoutTimelocked) return { restricted_until: null, restriction_known: false };
    if (!utils.isUserReachoutTimelocked()) return { restricted_until: null, restriction_known: true };
    const until = utils.getReachoutTimelockUntil ? utils.getReachoutTimelockUntil() : 0;
    return { restricted_until: until || (Date.now() + UNKNOWN_END_MS) / 1000, restriction_known: true };
  }

  // Thrown for while the account is not known yet, which is for a moment after every link.
  function own(ask) {
    try {
      return text(ask());
    } catch {
      return null;
    }
  }

  // A page that was logged out loads anew: what it would show, begin or send until then goes with it.
  const isReady = () => Boolean(wpp() && wpp().isFullReady) && !loggedOut;

  function state() {
    const library = wpp();
    if (!isReady()) return { injected: Boolean(library && library.isInjected), ready: false };
    const { conn } = library;
    const { mode, info } = conn.getStreamData();
    const authenticated = conn.isAuthenticated();
    const main = mode === 'MAIN';
    const normal = info === 'NORMAL';
    shownCode ||= mode === 'QR' && !authenticated; // the first code may have been shown before anybody listened
    return {
      mode: text(mode) || 'OPENING',
      injected: true,
      ready: true,
      authenticated,
      main,
      normal,
      synced: authenticated && main && normal && historyOver(),
      linked_seconds: since.linked ? (Date.now() - since.linked) / 1000 : null,
      online: Boolean(conn.isOnline()),
      needs_update: Boolean(conn.needsUpdate()),
      passkey: waitsForPasskey(authenticated, mode),
      idle: isIdle(),
      own_id: own(() => conn.getMyUserId()),
      own_lid: own(() => conn.getMyUserLid()),
      ...restriction(),
      version: (conn.getBuildConstants() || {}).VERSION_STR || '',
    };
  }

  // ---- chats and messages -----------------------------------------------------------------------------------------------

  // The phone-number id and the hidden id of one person; a group has one id.
  function idsOf(chat) {
    const id = wid(chat);
    const other = id.isUser() ? stores().ApiContact.getAlternateUserWid(id) : null;
    return other ? [id, other] : [id];
  }

  const chatModel = (chat) => idsOf(chat).map((id) => stores().ChatStore.get(id)).find(Boolean);

  // As the contract names it: by phone number where that is known.
  function publicId(id) {
    if (!id.isLid()) return String(id);
    return text(stores().ApiContact.getPhoneNumber(id)) || String(id);
  }

  function keyIn(chatId, waId) {
    const group = chatId.isGroup();
    const participant = group ? wpp().conn.getMyUserLid() : undefined;
    return new (stores().MsgKey)({ fromMe: true, remote: chatId, id: waId, participant });
  }

  async function openChat(chat) {
    const known = chatModel(chat);
    if (known) return known;
    try {
      return await wpp().chat.find(chat);
    } catch (error) {
      throw new Refusal(error.code || 'chat_not_found', error.message);
    }
  }

  const seen = (message) => ({
    message_id: String(message.id),
    wa_id: message.id.id,
    chat: publicId(message.id.remote),
    ack: message.ack,
    error_code: typeof message.errorCode === 'number' ? message.errorCode : null,
  });

  async function findMessage(chat, waId) {
    for (const id of idsOf(chat)) {
      const key = keyIn(id, waId);
      const held = stores().MsgStore.get(key);
      if (held) return seen(held);
      if (!stores().ChatStore.get(id)) continue;
      try {
        const found = await wpp().chat.getMessageById(String(key));
        if (found) return seen(found);
      } catch (error) {
        if (error.code !== 'msg_not_found') throw error;
      }
    }
    return null;
  }

  async function sendText(chat, body, messageId) {
    const { id } = await openChat(chat);
    const key = stores().MsgKey.fromString(messageId);
    if (stores().MsgStore.get(key)) {
      const held = seen(stores().MsgStore.get(key));
      return { ack: held.ack, result: 'EXISTS', error_code: held.error_code, message_id: held.message_id };
    }
    // linkPreview would send addresses in the text to third parties.
    const options = { waitForAck: true, messageId: key, linkPreview: false, detectMentioned: false, markIsRead: false };
    let sent;
    try {
      sent = await wpp().chat.sendTextMessage(String(id), body, options);
    } catch (error) {
      // Thrown after the message was made: what became of it has to be looked up.
      if (stores().MsgStore.get(key)) return { ack: 0, result: 'ERROR_THROWN', error_code: null, message_id: messageId };
      throw error;
    }
    const message = stores().MsgStore.get(key);
    const result = sent.sendMsgResult && sent.sendMsgResult.messageSendResult;
    return {
      ack: message ? message.ack : sent.ack,
      result: text(result) || 'ERROR_UNKNOWN',
      error_code: message ? seen(message).error_code : null,
      message_id: sent.id,
    };
  }

  // Held messages, and those of every chat in which something happened since.
  async function findMessages(sinceSeconds) {
    const from = Date.now() / 1000 - sinceSeconds;
    const found = new Map();
    const keep = (message) => {
      if (message.id.fromMe && message.t >= from) found.set(String(message.id), seen(message));
    };
    stores().MsgStore.getModelsArray().forEach(keep);
    for (const chat of stores().ChatStore.getModelsArray().filter(({ t }) => t >= from)) {
      try {
        (await wpp().chat.getMessages(chat.id, { count: 100 })).forEach(keep);
      } catch {
        // A chat that cannot be read says nothing about its receipts.
      }
    }
    return [...found.values()];
  }

  // ---- numbers and contacts ---------------------------------------------------------------------------------------------

  async function exists(id) {
    // wa-js answers from its contacts and caches, which hold the own number always: ask the network itself for that one.
    const isOwn = [own(() => wpp().conn.getMyUserId()), own(() => wpp().conn.getMyUserLid())].includes(id);
    const answer = isOwn ? await stores().functions.queryWidExists(wid(id)).catch(() => null) : await wpp().contact.queryWidExists(id);
    return answer ? { wid: String(answer.wid), lid: text(answer.lid || stores().ApiContact.getCurrentLid(answer.wid)) } : null;
  }

  function contact(id) {
    const model = idsOf(id).map((each) => stores().ContactStore.get(each)).find(Boolean);
    if (!model) return null;
    const mine = Boolean(stores().functions.getIsMyContact(model));
    return { id: publicId(model.id), name: text(model.name), is_my_contact: mine };
  }

  function groups() {
    return stores().ChatStore.filter((chat) => chat.id.isGroup()).map((chat) => {
      const metadata = stores().GroupMetadataStore.get(chat.id);
      const participants = metadata && metadata.participants;
      return {
        id: String(chat.id),
        name: text(chat.name || (metadata && metadata.subject)) || '',
        participants: participants ? participants.length : 0,
      };
    });
  }

  // ---- codes to scan ------------------------------------------------------------------------------------------------------

  async function qr() {
    if (isIdle() || stores().Conn.ref === usedUp) return null;
    const code = await wpp().conn.getAuthCode();
    return code ? code.fullCode : null;
  }

  // As the page's own button does. wa-js's conn.refreshQR calls a name that newer pages no longer have, and waits for a code that may not come.
  function refreshQr() {
    if (wpp().conn.isAuthenticated()) return;
    const bus = (pageModule('WAWebBackendEventBus') || {}).BackendEventBus;
    if (bus && bus.triggerRefreshQR) bus.triggerRefreshQR();
    else stores().Cmd.refreshQR();
  }

  // ---- how well wa-js fits this version of the page ----------------------------------------------------------------------

  // Each name that wa-js takes from the page is a getter that finds its module when it is used.
  function bindings() {
    const answer = { resolved: [], missing: [] };
    const look = (prefix, holder) => {
      for (const name of Object.keys(holder)) {
        let found = false;
        try {
          found = holder[name] !== undefined && holder[name] !== null;
        } catch {
          found = false;
        }
        answer[found ? 'resolved' : 'missing'].push(prefix + name);
      }
    };
    look('', stores());
    look('functions.', stores().functions);
    return answer;
  }

  // ---- what the agent may call ------------------------------------------------------------------------------------------

  const calls = {
    state,
    qr,
    refreshQr,
    pairingCode: (phone) => wpp().conn.genLinkDeviceCodeForPhoneNumber(phone),
    logout: async () => void (await wpp().conn.logout()),
    serializedId: async (chat, waId) => String(keyIn((await openChat(chat)).id, waId)),
    findMessage,
    findMessages,
    exists,
    chatExists: (chat) => Boolean(chatModel(chat)),
    sendText,
    saveContact: async (id, name) => void (await wpp().contact.save(id, name, { lastName: '', syncAddressBook: true })),
    removeContact: async (id) => void (await wpp().contact.remove(id)),
    contact,
    groups,
    bindings,
  };

  const bridge = {};
  for (const [name, call] of Object.entries(calls)) {
    bridge[name] = async (...args) => {
      try {
        // Half loaded, wa-js throws of its own insides.
        if (call !== state && !isReady()) throw new Refusal('not_ready', 'WhatsApp Web is still loading');
        const value = await call(...args);
        return { ok: true, value: value === undefined ? null : value };
      } catch (error) {
        const code = (error && error.code) || 'script_error';
        return { ok: false, code: String(code), message: String((error && error.message) || error) };
      }
    };
  }
  Object.defineProperty(self, '__messengerHub', { value: Object.freeze(bridge) });

  // ---- events, in batches -----------------------------------------------------------------------------------------------

  const batch = [];

  function tell(event) {
    if (batch.push(event) === 1) queueMicrotask(flush);
  }

  function flush() {
    if (typeof self[emit] === 'function') self[emit](JSON.stringify(batch.splice(0)));
  }

  const CHANGES = [
    'conn.authenticated', 'conn.require_auth', 'conn.main_loaded', 'conn.main_ready', 'conn.stream_mode_changed',
    'conn.stream_info_changed', 'conn.online', 'conn.qrcode_idle',
  ];

  function listen() {
    let cause = 'unknown';
    wpp().on('conn.authenticated', () => {
      if (shownCode) since.linked = Date.now();
      shownCode = false; // it is told again after every lost connection
    });
    for (const name of CHANGES) wpp().on(name, () => tell({ kind: 'state' }));
    wpp().on('conn.auth_code_change', (code) => {
      if (!code || !code.fullCode) return;
      shownCode = true;
      tell({ kind: 'qr', text: code.fullCode });
    });
    wpp().on('conn.logout_reason', (reason) => {
      cause = text(reason && reason.reason !== undefined ? reason.reason : reason) || 'unknown';
    });
    wpp().on('conn.logout', () => {
      loggedOut = true;
      tell({ kind: 'logout', cause });
    });
    wpp().on('conn.needs_update', () => tell({ kind: 'needs_update' }));
  }

  function listenToAcks() {
    stores().MsgStore.on('change:ack', (message) => {
      if (!message.id || !message.id.fromMe) return;
      tell({ kind: 'ack', chat: publicId(message.id.remote), ack: message.ack, wa_ids: [message.id.id] });
    });
    tell({ kind: 'state' });
  }

  // A page may be logged out while it loads, so the cause is listened for from the start.
  function whenThere(condition, act) {
    if (condition()) act();
    else setTimeout(() => whenThere(condition, act), 20);
  }
  whenThere(() => wpp() && wpp().on, listen);
  whenThere(() => wpp() && wpp().isFullReady, listenToAcks);
}
