// Ids of people, hidden ids, groups and messages.
(function () {
  'use strict';

  twinModule('WAWebWid', (exports) => {
    exports.default = class Wid {
      constructor(serialized) {
        const [, user, device, server] = /^(?:([^@:]*)(?::(\d+))?@)?(.+)$/.exec(serialized);
        this.server = server;
        this.user = user || '';
        if (device) this.device = Number(device);
        this._serialized = serialized;
      }
      toString() {
        return this._serialized;
      }
      toJSON() {
        return this._serialized;
      }
      toJid() {
        return this._serialized.replace('@c.us', '@s.whatsapp.net');
      }
      equals(other) {
        return Boolean(other) && String(other) === this._serialized;
      }
      isLid() {
        return this.server === 'lid';
      }
      isGroup() {
        return this.server === 'g.us';
      }
      isBroadcast() {
        return this.server === 'broadcast';
      }
      isNewsletter() {
        return this.server === 'newsletter';
      }
      isBot() {
        return this.server === 'bot';
      }
      isUser() {
        return this.isRegularUser() || this.isBot();
      }
      isRegularUser() {
        return this.server === 'c.us' || this.isLid();
      }
      isStatusV3() {
        return this._serialized === 'status@broadcast';
      }
      isStatus() {
        return this.isStatusV3();
      }
      isPSA() {
        return this._serialized === '0@c.us';
      }
      isServer() {
        return false;
      }
      isCompanion() {
        return Boolean(this.device);
      }
      getDeviceId() {
        return this.device || 0;
      }
      isSameAccount(other) {
        return this.user === other.user;
      }
      static isXWid(server, wid) {
        return Boolean(wid) && wid.server === server;
      }
      static isWid(text) {
        return String(text).includes('@');
      }
      static isUser(text) {
        return /@(c\.us|lid)$/.test(String(text));
      }
      static isGroup(text) {
        return String(text).endsWith('@g.us');
      }
    };
  });

  twinModule('WAWebWidFactory', (exports, use) => {
    const Wid = use.default('WAWebWid');
    const known = new Map(); // equal ids are one object, as in WhatsApp
    const SERVERS = new Set(['c.us', 'lid', 'g.us', 'broadcast', 'newsletter', 'bot', 'call']);

    class InvalidWidError extends Error {}

    function made(serialized) {
      if (!known.has(serialized)) known.set(serialized, new Wid(serialized));
      return known.get(serialized);
    }

    function createWid(text) {
      const serialized = String(text).replace('@s.whatsapp.net', '@c.us');
      const parts = /^([\d\-.:a-z_]*)@(.+)$/i.exec(serialized);
      const sound = parts && SERVERS.has(parts[2]) && (parts[2] !== 'c.us' || /^\d{1,20}(:\d+)?$/.test(parts[1]));
      if (!sound) throw new InvalidWidError('wid error: invalid wid');
      return made(serialized);
    }

    const createUserWid = (user, server) => createWid(user.includes('@') ? user : `${user}@${server || 'c.us'}`);
    const toUserWid = (wid) => made(`${wid.user}@${wid.server}`);

    Object.assign(exports, {
      createWid,
      createDeviceWid: createWid,
      userJidToUserWid: createWid,
      createUserWid,
      createUserWidOrThrow: createUserWid,
      createWidFromWidLike: (like) => made(like._serialized),
      isWidlike: (what) =>
        Boolean(what) && typeof what === 'object' && typeof what._serialized === 'string' && !what.remote,
      toUserWid,
      toUserWidOrThrow: toUserWid,
      toUserLidOrThrow: (wid) => made(`${wid.user}@lid`),
      toChatWid: (wid) => wid,
      toGroupWid: (wid) => wid,
    });
  });

  twinModule('WAWebMsgKeyNewId', (exports) => {
    exports.newId = async () => {
      const bytes = crypto.getRandomValues(new Uint8Array(9));
      return `3EB0${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('').toUpperCase()}`;
    };
  });

  twinModule('WAWebMsgKey', (exports, use) => {
    const { createWid } = use('WAWebWidFactory');
    const wid = (value) => (typeof value === 'string' ? createWid(value) : value);

    class MsgKey {
      constructor(parts) {
        if (!parts) throw new Error('MsgKey error: obj is null/undefined');
        const directed = parts.selfDir || parts.from;
        this.fromMe = directed ? parts.selfDir === 'out' : Boolean(parts.fromMe);
        this.remote = wid(directed ? MsgKey.otherEnd(parts) : parts.remote);
        this.id = parts.id;
        if (parts.participant) this.participant = wid(parts.participant);
        const shown = [this.fromMe, this.remote, this.id];
        if (this.participant) shown.push(this.participant);
        this._serialized = shown.join('_');
      }
      static otherEnd({ selfDir, from, to }) {
        return selfDir === 'out' || (to && to.isGroup()) ? to : from;
      }
      static fromString(text) {
        const [fromMe, remote, id, participant] = String(text).split('_');
        return new MsgKey({ fromMe: fromMe === 'true', remote, id, participant });
      }
      static newId() {
        return use('WAWebMsgKeyNewId').newId();
      }
      toString() {
        return this._serialized;
      }
      equals(other) {
        return String(other) === this._serialized;
      }
      clone() {
        return new MsgKey(this);
      }
    }
    exports.default = MsgKey;
  });
})();
