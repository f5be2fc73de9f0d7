// Models and collections: contacts, chats, messages, groups, and those that only have to be there.
(function () {
  'use strict';

  function model(id, proxyName, names, extend = (base) => class extends base {}) {
    twinModule(id, (exports, use) => {
      const Model = extend(use('WAWebBaseModel').BaseModel, use);
      Model.prototype.proxyName = proxyName;
      Model.attributeNames(names);
      exports.default = Model;
    });
  }

  model('WAWebContactModel', 'contact', [
    'id', 'name', 'shortName', 'pushname', 'type', 'isAddressBookContact', 'isBusiness', 'username', 'labels', 'phoneNumber',
    'syncToAddressbook', 'verifiedName',
  ]);

  model('WAWebPresenceModel', 'presence', ['id', 'isOnline', 'hasData'], (Base) => class Presence extends Base {
    async subscribe() {
      return true;
    }
  });

  model('WAWebMsgModel', 'msg', [
    'id', 'body', 'type', 'subtype', 't', 'from', 'to', 'author', 'ack', 'self', 'isNewMsg', 'local', 'notifyName',
    'latestEditMsgKey', 'caption', 'mentionedJidList', 'quotedStanzaID', 'errorCode',
  ], (Base) => class Msg extends Base {
    updateAck(ack) {
      if (ack > this.ack || this.ack === 0) this.ack = ack;
    }
    msgContextInfo() {
      return {};
    }
  });

  model('WAWebChatModel', 'chat', [
    'id', 'name', 't', 'unreadCount', 'archive', 'pin', 'active', 'labels', 'isReadOnly', 'isParentGroup', 'lastReceivedKey',
    'pausedTimerId', 'formattedTitle',
  ], (Base, use) => class Chat extends Base {
    constructor(attributes) {
      super(attributes);
      const Presence = use.default('WAWebPresenceModel');
      const { ChatMsgsCollection } = use('WAWebChatMsgsCollection');
      Object.defineProperty(this, 'presence', { value: new Presence({ id: this.id }), enumerable: false });
      Object.defineProperty(this, 'msgs', { value: new ChatMsgsCollection(), enumerable: false });
    }
    get contact() {
      return use('WAWebContactCollection').ContactCollection.get(this.id);
    }
    get groupMetadata() {
      return use.default('WAWebGroupMetadataCollection').get(this.id);
    }
  });

  model('WAWebGroupMetadataModel', 'groupMetadata', ['id', 'subject', 'participants', 'groupType', 'announce']);

  twinModule('WAWebChatMsgsCollection', (exports, use) => {
    class ChatMsgsCollection extends use('WAWebBaseCollection').BaseCollection {
      get msgLoadState() {
        return { noEarlierMsgs: true };
      }
    }
    ChatMsgsCollection.model = use.default('WAWebMsgModel');
    exports.ChatMsgsCollection = ChatMsgsCollection;
  });

  twinModule('WAWebContactCollection', (exports, use) => {
    class ContactCollectionImpl extends use('WAWebBaseCollection').BaseCollection {}
    ContactCollectionImpl.model = use.default('WAWebContactModel');
    Object.assign(exports, { ContactCollectionImpl, ContactCollection: new ContactCollectionImpl() });
  });

  twinModule('WAWebChatCollection', (exports, use) => {
    class ChatCollectionImpl extends use('WAWebBaseCollection').BaseCollection {
      getActive() {
        return this.findFirst((chat) => chat.active);
      }
    }
    ChatCollectionImpl.model = use.default('WAWebChatModel');
    Object.assign(exports, { ChatCollectionImpl, ChatCollection: new ChatCollectionImpl() });
  });

  twinModule('WAWebMsgCollection', (exports, use) => {
    class MsgCollectionImpl extends use('WAWebBaseCollection').BaseCollection {
      async processMultipleMessages(chatId, messages) {
        return messages.map((message) => this.into(use('WAWebChatCollection').ChatCollection.get(chatId), message));
      }
      into(chat, message) {
        const added = this.add(message);
        if (!chat) return added;
        chat.msgs.add(added);
        chat.set({ t: Math.max(chat.t || 0, added.t), lastReceivedKey: added.id });
        if (!added.id.fromMe && added.isNewMsg) chat.set({ unreadCount: (chat.unreadCount || 0) + 1 });
        return added;
      }
    }
    MsgCollectionImpl.model = use.default('WAWebMsgModel');
    Object.assign(exports, { MsgCollectionImpl, MsgCollection: new MsgCollectionImpl() });
  });

  twinModule('WAWebGroupMetadataCollection', (exports, use) => {
    class GroupMetadataCollection extends use('WAWebBaseCollection').BaseCollection {
      _handleParentGroupChange() {}
      onParentGroupChange() {}
      async _find(id) {
        throw new Error(`group metadata not found ${id}`);
      }
    }
    GroupMetadataCollection.model = use.default('WAWebGroupMetadataModel');
    exports.default = new GroupMetadataCollection();
  });

  twinModule('WAWebPresenceCollection', (exports, use) => {
    class PresenceCollectionImpl extends use('WAWebBaseCollection').BaseCollection {}
    PresenceCollectionImpl.model = use.default('WAWebPresenceModel');
    // wa-js would take an exported class for the collection itself.
    exports.PresenceCollection = new PresenceCollectionImpl();
  });

  twinModule('WAWebMsgInfoCollection', (exports, use) => {
    class MsgInfoCollectionImpl extends use('WAWebBaseCollection').BaseCollection {
      async _find(id) {
        const nobody = { delivery: [], read: [], played: [], deliveryRemaining: 0, readRemaining: 0, playedRemaining: 0 };
        return this.add({ id, ...nobody });
      }
    }
    MsgInfoCollectionImpl.model = class MsgInfo extends use('WAWebBaseModel').BaseModel {};
    Object.assign(exports, { MsgInfoCollectionImpl, MsgInfoCollection: new MsgInfoCollectionImpl() });
  });

  twinModule('WAWebCallCollection', (exports, use) => {
    class CallCollectionImpl extends use('WAWebBaseCollection').BaseCollection {
      processIncomingCall() {}
      setActiveCall() {}
    }
    CallCollectionImpl.model = class Call extends use('WAWebBaseModel').BaseModel {};
    Object.assign(exports, { CallCollectionImpl, default: new CallCollectionImpl() });
  });

  twinModule('WAWebNewsletterCollection', (exports, use) => {
    class NewsletterCollection extends use('WAWebBaseCollection').BaseCollection {}
    NewsletterCollection.model = class Newsletter extends use('WAWebBaseModel').BaseModel {};
    exports.default = new NewsletterCollection();
  });

  // Collections that stay empty here.
  for (const name of ['Blocklist', 'Status', 'BotProfile', 'Label']) {
    twinModule(`WAWeb${name}Collection`, (exports, use) => {
      const Impl = { [`${name}CollectionImpl`]: class extends use('WAWebBaseCollection').BaseCollection {} };
      const Collection = Impl[`${name}CollectionImpl`];
      Collection.model = class extends use('WAWebBaseModel').BaseModel {};
      exports[`${name}Collection`] = new Collection();
    });
  }
})();
