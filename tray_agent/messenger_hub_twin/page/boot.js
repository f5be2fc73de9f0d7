// Loads the rest in stages, as WhatsApp's loader does: libraries have to wait for the modules that they want.
(function () {
  'use strict';

  const nonce = document.currentScript.nonce;
  const STAGES = [
    ['modules/constants.js', 'modules/stores.js', 'modules/connection.js'],
    ['modules/contacts.js', 'modules/messages.js', 'modules/inert.js'],
    ['backend.js', 'ui.js'],
  ];

  function load(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement('script');
      Object.assign(script, { src: `/page/${name}`, nonce, onload: resolve, onerror: reject, async: false });
      document.head.append(script);
    });
  }

  async function start() {
    for (const stage of STAGES) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await Promise.all(stage.map(load));
    }
    require('TwinUi').start();
    require('TwinBackend').start();
  }

  start();
})();
