// Build numbers, the event emitter, models and collections: what everything else is made of.
(function () {
  'use strict';

  const BUILD = Number(document.body.dataset.build);
  const VERSION = `2.3000.${BUILD}`;

  twinModule('WAWebBuildConstants', (exports) => {
    const [primary, secondary, tertiary] = VERSION.split('.');
    Object.assign(exports, {
      VERSION_STR: VERSION,
      VERSION_BASE: VERSION,
      VERSION_PRIMARY: primary,
      VERSION_SECONDARY: secondary,
      VERSION_TERTIARY: tertiary,
      WINDOWS_BUILD: null,
    });
  });

  twinModule('WAWebSanitizedVersion', (exports) => {
    exports.SANITIZED_VERSION_STR = VERSION;
  });

  twinModule('WAWebIsOfficialClient', (exports) => {
    exports.isOfficialClient = false;
  });

  twinModule('WAWebEventEmitter', (exports) => {
    const handlers = new WeakMap();

    const listOf = (emitter, name) => {
      if (!handlers.has(emitter)) handlers.set(emitter, new Map());
      const byName = handlers.get(emitter);
      if (!byName.has(name)) byName.set(name, []);
      return byName.get(name);
    };

    exports.default = class EventEmitter {
      on(names, callback, context) {
        for (const name of names.split(/\s+/)) listOf(this, name).push({ callback, context, original: callback });
        return this;
      }
      once(name, callback, context) {
        const wrapped = (...args) => {
          this.off(name, callback);
          callback.apply(context || this, args);
        };
        listOf(this, name).push({ callback: wrapped, context, original: callback });
        return this;
      }
      off(name, callback) {
        const list = listOf(this, name);
        const kept = callback ? list.filter((each) => each.original !== callback) : [];
        list.splice(0, list.length, ...kept);
        return this;
      }
      trigger(name, ...args) {
        for (const each of [...listOf(this, name)]) each.callback.apply(each.context || this, args);
        for (const each of [...listOf(this, 'all')]) each.callback.call(each.context || this, name, ...args);
        return this;
      }
      listenTo(emitter, names, callback) {
        emitter.on(names, callback, this);
        return this;
      }
      stopListening() {
        return this;
      }
    };
  });

  twinModule('WAWebBaseModel', (exports, use) => {
    const EventEmitter = use.default('WAWebEventEmitter');

    const accessor = (name) => ({
      configurable: true,
      enumerable: true,
      get() {
        return this.attributes[name];
      },
      set(value) {
        this.set({ [name]: value });
      },
    });

    class BaseModel extends EventEmitter {
      constructor(attributes) {
        super();
        Object.defineProperty(this, 'attributes', { value: {}, enumerable: false });
        this.set({ ...attributes }, { silent: true });
      }
      static attributeNames(names) {
        for (const name of names) Object.defineProperty(this.prototype, name, accessor(name));
      }
      set(changes, ...rest) {
        if (typeof changes === 'string') return this.set({ [changes]: rest[0] }, rest[1]);
        const silent = rest[0] && rest[0].silent;
        for (const [name, value] of Object.entries(changes)) {
          const before = this.attributes[name];
          if (before === value) continue;
          if (!(name in this)) Object.defineProperty(this, name, accessor(name));
          this.attributes[name] = value;
          if (!silent) this.changed(name, value, before);
        }
        return this;
      }
      changed(name, value, before) {
        this.trigger(`change:${name}`, this, value, before);
        if (this.collection) this.collection.trigger(`change:${name}`, this, value, before);
      }
      unset(name) {
        this.set({ [name]: undefined });
      }
      get(name) {
        return this.attributes[name];
      }
      toJSON() {
        return { ...this.attributes };
      }
      serialize() {
        return this.toJSON();
      }
    }

    exports.BaseModel = BaseModel;
    exports.defineModel = (model) => model;
  });

  twinModule('WAWebCollection', (exports, use) => {
    const EventEmitter = use.default('WAWebEventEmitter');
    const { BaseModel } = use('WAWebBaseModel');

    const keyOf = (what) => String(what instanceof BaseModel ? what.id : what);

    exports.default = class Collection extends EventEmitter {
      constructor() {
        super();
        if (!this.constructor.model) throw new Error('Collection initialized without model');
        this.modelClass = this.constructor.model;
        Object.defineProperty(this, 'byKey', { value: new Map(), enumerable: false });
      }
      get(id) {
        return id === undefined || id === null ? undefined : this.byKey.get(keyOf(id));
      }
      add(what) {
        return Array.isArray(what) ? what.map((each) => this.addOne(each)) : this.addOne(what);
      }
      addOne(what) {
        const model = what instanceof BaseModel ? what : new this.modelClass(what);
        const known = this.byKey.get(keyOf(model));
        if (known) {
          if (known !== model) known.set(model.attributes);
          return known;
        }
        this.byKey.set(keyOf(model), model);
        if (!model.collection) Object.defineProperty(model, 'collection', { value: this, enumerable: false });
        this.trigger('add', model, this);
        return model;
      }
      remove(id) {
        const model = this.get(id);
        if (model) {
          this.byKey.delete(keyOf(model));
          this.trigger('remove', model, this);
        }
        return model;
      }
      async find(id) {
        return this.get(id) || this._find(id);
      }
      async _find(id) {
        return this.add({ id });
      }
      getModelsArray() {
        return [...this.byKey.values()];
      }
      toArray() {
        return this.getModelsArray();
      }
      get length() {
        return this.byKey.size;
      }
      map(callback) {
        return this.getModelsArray().map(callback);
      }
      forEach(callback) {
        this.getModelsArray().forEach(callback);
      }
      filter(callback) {
        return this.getModelsArray().filter(callback);
      }
      some(callback) {
        return this.getModelsArray().some(callback);
      }
      findFirst(callback) {
        return this.getModelsArray().find(callback);
      }
      last() {
        return this.getModelsArray().at(-1);
      }
    };
  });

  twinModule('WAWebBaseCollection', (exports, use) => {
    exports.BaseCollection = class BaseCollection extends use.default('WAWebCollection') {};
  });
})();
