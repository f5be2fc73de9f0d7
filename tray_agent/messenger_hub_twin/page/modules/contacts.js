// Hidden ids, look-ups of numbers, the address book.
(function () {
  'use strict';

  twinModule('WAWebLidPnCache', (exports) => {
    const byLid = new Map();
    const byNumber = new Map();
    exports.lidPnCache = {
      add(lid, entry) {
        byLid.set(String(lid), entry);
        byNumber.set(String(entry.phoneNumber), lid);
      },
      getPhoneNumber: (lid) => byLid.get(String(lid))?.phoneNumber,
      getCurrentLid: (wid) => byNumber.get(String(wid)),
      getLidEntry: (lid) => byLid.get(String(lid)),
      getAllLids: () => [...byNumber.values()],
      clear() {
        byLid.clear();
        byNumber.clear();
      },
      remove() {},
    };
  });

  twinModule('WAWebApiContact', (exports, use) => {
    const { lidPnCache } = use('WAWebLidPnCache');
    exports.getCurrentLid = (wid) => lidPnCache.getCurrentLid(wid);
    exports.getPhoneNumber = (wid) => lidPnCache.getPhoneNumber(wid);
    exports.getAlternateUserWid = (wid) =>
      wid.isLid() ? lidPnCache.getPhoneNumber(wid) : lidPnCache.getCurrentLid(wid);
    exports.getContactUsername = () => null;
  });

  twinModule('WAWebQueryExistsJob', (exports, use) => {
    async function queryWidExists(wid) {
      const answer = await use('TwinBackend').ask({ op: 'exists', id: String(wid) });
      if (answer.broken) throw new Error('the network did not answer');
      if (!answer.exists) return null;
      return { wid: use('TwinBackend').learn(answer).number, biz: false };
    }
    exports.queryWidExists = queryWidExists;
    exports.queryPhoneExists = queryWidExists;
  });

  twinModule('WAWebSaveContactAction', (exports, use) => {
    exports.saveContactAction = async ({ phoneNumber, lid, firstName, lastName }) => {
      const id = phoneNumber ? `${phoneNumber}@c.us` : `${lid}@lid`;
      await use('TwinBackend').askOnce({ op: 'contact_save', id, first: firstName, last: lastName || '' });
    };
  });

  twinModule('WAWebDeleteContactAction', (exports, use) => {
    exports.deleteContactAction = async ({ phoneNumber, lid }) => {
      await use('TwinBackend').askOnce({ op: 'contact_remove', id: String(phoneNumber || lid) });
    };
  });

  twinModule('WAWebContactGetters', (exports) => {
    const unknown = [
      'getPremiumMessageName', 'getIsMe', 'getIsGroup', 'getIsBroadcast', 'getIsNewsletter', 'getIsPSA', 'getIsIAS',
      'getIsSupportAccount', 'getCanRequestPhoneNumber', 'getShowBusinessCheckmarkAsPrimary',
      'getShowBusinessCheckmarkAsSecondary', 'getShowBusinessCheckmarkInChatlist', 'getIsDisplayNameApproved',
      'getShouldForceBusinessUpdate',
    ];
    for (const name of unknown) exports[name] = () => undefined;
    exports.getUserid = (contact) => contact.id.user;
    exports.getIsUser = (contact) => contact.id.isUser();
    exports.getIsWAContact = (contact) => contact.id.isUser();
    exports.getNotifyName = (contact) => contact.pushname;
  });

  twinModule('WAWebFrontendContactGetters', (exports) => {
    const names = [
      'getDisplayName', 'getPnForLid', 'getDisplayNameOrPnForLid', 'getUserDisplayNameForLid', 'getFormattedPhone',
      'getFormattedUsernameOrPhone', 'getFormattedShortNameWithNonBreakingSpaces', 'getFormattedShortName', 'getFormattedName',
      'getFormattedUser', 'getSearchName', 'getSearchVerifiedName', 'getHeader', 'getMentionName', 'getPhoneNumber',
      'getTextStatusString',
    ];
    for (const name of names) exports[name] = (contact) => contact.name || (contact.id && `+${contact.id.user}`);
    exports.getIsMyContact = (contact) => contact.isAddressBookContact === 1;
  });
})();
