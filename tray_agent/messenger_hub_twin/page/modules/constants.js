// Enumerations, with WhatsApp's names and numbers.
(function () {
  'use strict';

  const same = (...names) => Object.fromEntries(names.map((name) => [name, name]));

  twinModule('WAWebAck', (exports) => {
    exports.ACK = {
      MD_DOWNGRADE: -7, INACTIVE: -6, CONTENT_UNUPLOADABLE: -5, CONTENT_TOO_BIG: -4, CONTENT_GONE: -3, EXPIRED: -2,
      FAILED: -1, CLOCK: 0, SENT: 1, RECEIVED: 2, READ: 3, PLAYED: 4, PEER: 5,
    };
    exports.ACK_STRING = {
      SENDER: 'sender', DELIVERY: 'delivery', READ: 'read', PLAYED: 'played', INACTIVE: 'inactive',
      READ_SELF: 'read-self', PLAYED_SELF: 'played-self',
    };
    exports.EDIT_ATTR = { SENDER_REVOKE: 7, ADMIN_REVOKE: 8 };
  });

  twinModule('WAWebSocketConstants', (exports) => {
    exports.SOCKET_STATE = same(
      'OPENING', 'PAIRING', 'UNPAIRED', 'UNPAIRED_IDLE', 'CONNECTED', 'TIMEOUT', 'CONFLICT', 'UNLAUNCHED', 'PROXYBLOCK',
      'TOS_BLOCK', 'SMB_TOS_BLOCK', 'DEPRECATED_VERSION',
    );
    exports.SOCKET_STREAM = same('DISCONNECTED', 'SYNCING', 'RESUMING', 'CONNECTED');
    exports.WATCHED_SOCKET_STATE = same('OPEN', 'CLOSED');
  });

  twinModule('WAWebSendMsgResultAction', (exports) => {
    exports.SendMsgResult = same(
      'OK', 'ERROR_NETWORK', 'ERROR_EXPIRED', 'ERROR_CANCELLED', 'ERROR_UPLOAD', 'ERROR_UNKNOWN',
    );
  });

  twinModule('WAWebMsgType', (exports) => {
    exports.MSG_TYPE = {
      CHAT: 'chat', IMAGE: 'image', DOCUMENT: 'document', CIPHERTEXT: 'ciphertext', CALL_LOG: 'call_log',
      PROTOCOL: 'protocol',
    };
    exports.SYSTEM_MESSAGE_TYPES = ['gp2', 'e2e_notification'];
  });

  twinModule('WAWebNonJidMentionType', (exports) => {
    exports.default = { MENTION_ALL: 1 };
  });

  twinModule('WAWebLogoutReasonConstants', (exports) => {
    exports.LogoutReason = {
      UserInitiated: 'user_initiated', UnknownCompanion: 'unknown_companion', AccountRemoved: 'account_removed',
    };
    exports.LOGOUT_REASON_CODE = { USER_INITIATED: 0, UNKNOWN_COMPANION: 1 };
  });

  twinModule('WAWebLogoutReasonUtils', (exports) => {
    let previous = null;
    Object.assign(exports, {
      getErrorCodeFromLogoutReason: (reason) => (reason === 'user_initiated' ? 0 : 1),
      setPrevLogoutReasonCode: (code) => { previous = code; },
      getPrevLogoutReasonCode: () => previous,
      setPrevCustomLogoutMessage() {},
      getPrevCustomLogoutMessage: () => null,
    });
  });
})();
