// Modules that wa-js wraps when it is ready; it logs errors where one is missing. They do nothing here.
(function () {
  'use strict';

  const INERT = {
    WAWebABProps: ['getABPropConfigValue'],
    WAWebLinkPreviewChatAction: ['getLinkPreview'],
    WAWebLinkPreviewUtils: ['genMinimalLinkPreview'],
    WALinkify: ['findFirstWebLink'],
    WAWebBackendJobsCommon: ['encodeMaybeMediaType', 'mediaTypeFromProtobuf', 'typeAttributeFromProtobuf'],
    WAWebSendMsgCreateFanoutStanza: ['createFanoutMsgStanza'],
    WAWebPinChatUtils: ['getNumChatsPinned'],
    WAWebPollsVotesCollectionUtils: ['upsertVotes'],
    WAWebReactionsAction: ['addOrUpdateReactionsModelCollection', 'createOrUpdateReactions'],
    WAWebDBUpdateGroup: ['updateDBForGroupAction'],
    WAWebLabelCollectionUtils: ['addToLabelCollection', 'removeLabelFromCollection', 'initializeLabels'],
    WAWebHandleSingleMsg: ['handleSingleMsg'],
    WAWebMsgGetters: ['getIsUnreadType'],
    WAWebCreateChatRecord: ['createChatRecord'],
    WAWebPrimaryFeatures: ['primaryFeatureEnabled'],
    WAWebProcessRawMedia: ['processRawSticker'],
    WAWebMediaVideo: ['generateVideoThumbsAndDuration'],
    WAWebUploadManager: ['uploadMedia'],
    WAWebInboxFilters: ['isFilterExcludedFromSearchTreatmentInInboxFlow'],
  };
  for (const [id, names] of Object.entries(INERT)) {
    twinModule(id, (exports) => {
      for (const name of names) exports[name] = () => undefined;
    });
  }

  twinModule('WAWebLid1X1MigrationGating', (exports) => {
    exports.Lid1X1MigrationUtils = {
      isLidMigrated: () => false,
      isSyncdSessionMigrated: () => false,
      shouldApplyNonMigratedMessagingRules: () => true,
    };
    exports.isLidMigrated = () => false;
  });

  twinModule('WAWebChatSearchQuery', (exports) => {
    exports.SearchQuery = class {
      updateLabelQuery() {}
    };
  });
})();
