// The connection's state, linking, log-out, and who the account is.
(function () {
  'use strict';

  const stateful = (id, exportName, names, first, extend) => {
    twinModule(id, (exports, use) => {
      const Model = extend(use('WAWebBaseModel').BaseModel, use);
      Model.attributeNames(names);
      exports[exportName] = new Model(first);
      if (exportName === 'Conn') exports.ConnImpl = Model;
    });
  };

  stateful('WAWebConnModel', 'Conn', ['ref', 'connected', 'wid', 'pushname', 'platform'],
    { connected: false, platform: 'android' }, (Base) => class Conn extends Base {});

  stateful('WAWebStreamModel', 'Stream', ['mode', 'info', 'available', 'needsUpdate', 'displayInfo'],
    { mode: undefined, info: 'OPENING', needsUpdate: false },
    (Base) => class Stream extends Base {
      markAvailable() {}
      markUnavailable() {}
    });

  stateful('WAWebSocketModel', 'Socket', ['state', 'stream'], { state: 'OPENING', stream: 'DISCONNECTED' },
    (Base, use) => class Socket extends Base {
      logout() {
        use('TwinBackend').send({ op: 'logout' });
      }
      poke() {}
      reconnect() {
        use('TwinBackend').reconnect();
      }
    });

  stateful('WAWebNetworkStatus', 'default', ['online'], { online: true }, (Base) => class NetworkStatus extends Base {
    checkOnline() {
      return this.online;
    }
  });

  twinModule('WAWebCmd', (exports, use) => {
    class CmdImpl extends use.default('WAWebEventEmitter') {
      constructor() {
        super();
        this.isMainLoaded = false;
      }
      mainLoaded() {
        this.isMainLoaded = true;
        this.trigger('main_loaded');
      }
      // Newer pages have it on the bus alone; this is what wa-js calls.
      refreshQR() {
        use('WAWebBackendEventBus').BackendEventBus.triggerRefreshQR();
      }
      logout() {
        this.trigger('logout');
      }
      setActiveFilter() {}
    }
    Object.assign(exports, { CmdImpl, Cmd: new CmdImpl() });
  });

  twinModule('WAWebBackendEventBus', (exports, use) => {
    exports.BackendEvent = {
      LOGOUT: 'logout', REFRESH_QR: 'refresh_qr', SET_SOCKET_STATE: 'set_socket_state', SOCKET_STREAM_DISCONNECTED: 'socket_stream_disconnected',
      ACCOUNT_TEMPORARILY_BANNED: 'account_temporarily_banned', STORAGE_INITIALIZATION_ERROR: 'storage_initialization_error',
    };
    exports.BackendEventBus = new (class extends use.default('WAWebEventEmitter') {
      triggerSetSocketState(state) {
        this.socketState = state;
        use('WAWebSocketModel').Socket.set({ state });
        this.trigger(exports.BackendEvent.SET_SOCKET_STATE, state);
      }
      triggerRefreshQR() {
        use('TwinUi').showPairingCode(''); // connecting anew ends what it began
        use('TwinBackend').send({ op: 'refresh_qr' });
        this.trigger(exports.BackendEvent.REFRESH_QR);
      }
    })();
  });

  twinModule('WAWebLinkDeviceEvents', (exports, use) => {
    class LinkDeviceEvents extends use.default('WAWebEventEmitter') {
      triggerRefreshAltLinkingCode() {
        this.trigger('link_device_events:refresh_alt_linking_code');
      }
    }
    exports.WAWebLinkDeviceEvents = new LinkDeviceEvents();
  });

  twinModule('WAWebAltDeviceLinkingApi', (exports, use) => {
    exports.initializeAltDeviceLinking = async () => {};
    exports.genLinkDeviceCodeForPhoneNumber = async (number) => {
      const answer = await use('TwinBackend').ask({ op: 'pairing_code', number });
      use('TwinUi').showPairingCode(answer.code);
      return answer.code;
    };
  });

  twinModule('WAWebUserPrefsMeUser', (exports, use) => {
    const own = (name) => {
      const id = use('TwinBackend').me()[name];
      return id ? use('WAWebWidFactory').createWid(id) : undefined;
    };
    const orThrow = (name) => () => {
      const wid = own(name);
      if (!wid) throw new Error(`no own ${name}`);
      return wid;
    };
    Object.assign(exports, {
      getMaybeMePnUser: () => own('pn'),
      getMaybeMeLidUser: () => own('lid'),
      getMaybeMeDevicePn: () => own('pn'),
      getMePnUserOrThrow: orThrow('pn'),
      getMeLidUserOrThrow: orThrow('lid'),
      isMeAccount: (wid) => String(wid) === use('TwinBackend').me().pn,
    });
  });

  twinModule('WAWebUserPrefsMultiDevice', (exports, use) => {
    exports.isRegistered = () => use('TwinBackend').isLinked();
  });

  twinModule('WAWebLoginUtils', (exports, use) => {
    exports.isLoggedIn = () => use('TwinBackend').isLinked();
  });

  // How far the history has come after a link: 100 when what is absent may be called absent.
  twinModule('WAWebHistorySyncProgressModel', (exports, use) => {
    class HistorySyncProgressModel extends use('WAWebBaseModel').BaseModel {}
    HistorySyncProgressModel.attributeNames(['realProgress', 'remainingPausedSeconds']);
    const progress = new HistorySyncProgressModel({ realProgress: 0, remainingPausedSeconds: 0 });
    Object.assign(exports, { HistorySyncProgressModel, getHistorySyncProgressModel: () => progress });
  });

  // Whether the account may write first to people that it has no chat with.
  twinModule('WAWebReachoutTimelockUtils', (exports, use) => {
    exports.getReachoutTimelockUntil = () => use('TwinBackend').restrictedUntil();
    exports.isUserReachoutTimelocked = () => use('TwinBackend').restrictedUntil() * 1000 > Date.now();
  });

  // Key material for the QR code's text; it opens nothing.
  twinModule('WABase64', (exports) => {
    exports.encodeB64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    exports.decodeB64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  });
  const key = (byte) => ({ pubKey: new Uint8Array(32).fill(byte).buffer });
  twinModule('WAWebUserPrefsNoise', (exports) => {
    exports.waNoiseInfo = { get: async () => ({ staticKeyPair: key(1) }) };
  });
  twinModule('WAWebSignalStore', (exports) => {
    exports.waSignalStore = { getRegistrationInfo: async () => ({ identityKeyPair: key(2) }) };
  });
  twinModule('WAWebADVSecretKey', (exports) => {
    exports.getADVSecretKey = () => btoa('the twin keeps no secrets at all');
    exports.setADVSignedIdentity = () => {};
  });

  twinModule('WAWebTimeUtils', (exports) => {
    exports.unixTime = () => Math.floor(Date.now() / 1000);
    exports.unixTimeMs = () => Date.now();
  });
  twinModule('WAMd5', (exports) => {
    exports.md5 = (text) => text;
    exports.md5ArrayBufferHex = () => '';
  });
})();
