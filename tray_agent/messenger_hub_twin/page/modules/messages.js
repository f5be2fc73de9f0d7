// Chats, sending, receipts, searching.
(function () {
  'use strict';

  twinModule('WAWebFindChatAction', (exports, use) => {
    const existing = (wid) => {
      const { ChatCollection } = use('WAWebChatCollection');
      const other = wid.isUser() ? use('WAWebApiContact').getAlternateUserWid(wid) : undefined;
      return ChatCollection.get(wid) || ChatCollection.get(other);
    };

    exports.findExistingChat = async (wid) => existing(wid);
    exports.findOrCreateLatestChat = async (wid) => {
      const found = existing(wid);
      if (found) return { chat: { id: found.id }, created: false };
      if (wid.isGroup()) throw new Error('findOrCreateLatestChat: group not found');
      const answer = await use('TwinBackend').ask({ op: 'exists', id: String(wid) });
      if (answer.broken || !answer.exists) return { chat: null, created: false };
      const id = use('TwinBackend').learn(answer).chat;
      const made = use('WAWebChatCollection').ChatCollection.add({
        id, name: answer.name, t: use('WAWebTimeUtils').unixTime(), unreadCount: 0,
      });
      return { chat: { id: made.id }, created: true };
    };
  });

  twinModule('WAWebGetEphemeralFieldsMsgActionsUtils', (exports) => {
    exports.getEphemeralFields = () => ({});
  });

  twinModule('WAWebUpdateUnreadChatAction', (exports) => {
    exports.markUnread = async () => {};
    exports.sendSeen = async ({ chat }) => chat.set({ unreadCount: 0 });
  });

  twinModule('WAWebSendMsgChatAction', (exports, use) => {
    async function settled(message, content) {
      const { SendMsgResult } = use('WAWebSendMsgResultAction');
      const answer = await use('TwinOutbox').send({
        id: message.id.id,
        key: String(message.id),
        chat: String(message.id.remote),
        body: content.conversation,
        t: message.t,
      });
      if (answer.error) {
        message.set({ ack: use('WAWebAck').ACK.FAILED, errorCode: answer.code });
        return { messageSendResult: SendMsgResult.ERROR_UNKNOWN };
      }
      message.updateAck(use('WAWebAck').ACK.SENT);
      return { messageSendResult: SendMsgResult.OK, t: answer.t, count: null };
    }

    exports.addAndSendMsgToChat = (chat, raw) => {
      const message = use('WAWebMsgCollection').MsgCollection.into(chat, { ...raw });
      const content = use('WAWebE2EProtoGenerator').createMsgProtobuf(message);
      return [Promise.resolve(message), settled(message, content)];
    };
  });

  twinModule('WAWebE2EProtoGenerator', (exports) => {
    exports.createMsgProtobuf = (message) => ({ conversation: message.body });
  });

  twinModule('WAWebSendMsgJob', (exports) => {
    exports.encryptAndSendMsg = async () => null;
  });

  twinModule('WAWebHandleMsgSimpleReceipt', (exports, use) => {
    async function raise({ externalIds, ack }) {
      const { MsgCollection } = use('WAWebMsgCollection');
      for (const message of MsgCollection.filter((each) => each.id.fromMe && externalIds.includes(each.id.id))) {
        message.updateAck(ack);
      }
    }
    exports.handleChatSimpleReceipt = raise;
    exports.handleGroupSimpleReceipt = (receipt) => raise(receipt);
    exports.handleStatusSimpleReceipt = (receipt) => raise(receipt);
  });

  twinModule('WAWebPresenceChatAction', (exports, use) => {
    const tell = (state) => async (chat) => use('TwinBackend').send({ op: 'presence', chat: String(chat.id), state });
    exports.markComposing = tell('composing');
    exports.markPaused = tell('paused');
    exports.markRecording = tell('recording');
  });

  twinModule('WAWebDBMessageFindLocal', (exports, use) => {
    exports.msgFindByDirection = async ({ anchor, count, direction }) => {
      const chat = use('WAWebChatCollection').ChatCollection.get(anchor.remote);
      const all = chat ? chat.msgs.getModelsArray() : [];
      const at = all.findIndex((message) => message.id.equals(anchor));
      const before = direction === 'before';
      const messages = before ? all.slice(Math.max(0, at - count), at) : all.slice(at + 1, at + 1 + count);
      return { status: 200, messages };
    };
    exports.msgFindBefore = (query) => exports.msgFindByDirection({ ...query, direction: 'before' });
    exports.msgFindAfter = (query) => exports.msgFindByDirection({ ...query, direction: 'after' });
  });

  twinModule('WAWebChatMessageSearch', (exports) => {
    exports.getSearchContext = ({ chat }) => ({
      collection: Object.assign(chat.msgs, { loadAroundPromise: Promise.resolve() }),
    });
  });

  twinModule('WAWebQuotedMsgModelUtils', (exports) => {
    exports.getQuotedMsgObj = () => null;
  });

  twinModule('WAWebChatGetters', (exports) => {
    Object.assign(exports, {
      getShouldAppearInList: () => true,
      getPreviewMessage: () => null,
      getShowChangeNumberNotification: () => false,
      getShouldShowUnreadDivider: () => false,
      getHasUnread: (chat) => chat.unreadCount > 0,
    });
  });
})();
