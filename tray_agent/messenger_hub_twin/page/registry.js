// The module registry that WhatsApp Web's scripts are written for: __d defines, require & co. use, factories run once and late.
// Other libraries find modules through require('__debug').modulesMap.
(function (global) {
  'use strict';

  const modules = Object.create(null);
  const ES_MODULE = 2; // bit of __d's last argument: exports are named, `default` among them

  function loaded(id) {
    const module = modules[id];
    if (!module) throw new Error(`Requiring unknown module "${id}"`);
    if (!module.factoryFinished && !module.running) {
      module.running = true;
      const holder = { exports: module.exports };
      module.factory.call(global, global, require, importDefault, importNamespace, requireLazy, holder, holder.exports);
      module.exports = holder.exports;
      module.factoryFinished = true;
      module.running = false;
    }
    return module;
  }

  const isEs = (module) => (module.special & ES_MODULE) !== 0;

  function require(id) {
    const module = loaded(id);
    const names = Object.keys(module.exports);
    return isEs(module) && names.length === 1 && names[0] === 'default' ? module.exports.default : module.exports;
  }

  function importDefault(id) {
    const module = loaded(id);
    return isEs(module) ? module.exports.default : module.exports;
  }

  function importNamespace(id) {
    const module = loaded(id);
    return isEs(module) ? module.exports : { default: module.exports, ...module.exports };
  }

  function requireLazy(ids, callback) {
    setTimeout(() => callback(...ids.map(importNamespace)), 0);
  }

  function define(id, dependencies, factory, special) {
    if (modules[id]) return;
    modules[id] = { id, dependencies, factory, special: special || 0, exports: {}, factoryFinished: false };
  }

  modules.__debug = {
    id: '__debug',
    special: 0,
    factoryFinished: true,
    exports: { modulesMap: modules, debugUnresolvedDependencies: () => [] },
  };
  Object.assign(global, {
    __d: define,
    require,
    importDefault,
    importNamespace,
    requireLazy,
    ErrorGuard: {
      skipGuardGlobal() {},
      applyWithGuard: (callback, context, args) => callback.apply(context, args || []),
    },
  });

  // The twin's own shorthand: fill(exports, use), where use(id) gives a module's exports and use.default(id) its default.
  global.twinModule = (id, fill) => {
    define(id, [], (_global, _require, byDefault, byNamespace, _lazy, _module, exports) => {
      const use = (name) => byNamespace(name);
      use.default = (name) => byDefault(name);
      fill(exports, use);
    }, 96 | ES_MODULE);
  };
})(self);
