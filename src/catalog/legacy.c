/*
 * legacy.c - the table of types and actions that files may name.
 *
 * A service that is served has its own tables; a name that stands only here loads with a
 * warning, and a run settles it as not served. So a folder of the original platform can be
 * taken over before every service is. Refused: dropping a row once its service is there; the
 * loader asks the services first, and the rows keep older names checked in one place.
 */
#include "catalog/legacy.h"

#include "base/macros.h"

#define ACTION(name)                                                                       \
	{                                                                                  \
		name, NULL, NULL                                                           \
	}
#define MAPPED(name, mapped)                                                               \
	{                                                                                  \
		name, NULL, mapped                                                         \
	}
#define OPERATION(a, op, mapped)                                                           \
	{                                                                                  \
		a, op, mapped                                                              \
	}
#define END                                                                                \
	{                                                                                  \
		NULL, NULL, NULL                                                           \
	}

/* clang-format off */
static const struct legacy_action postgresql[] = {
	ACTION("INSERT"), ACTION("UPDATE"), ACTION("DELETE"), ACTION("UPSERT"), ACTION("QUERY"),
	END
};

static const struct legacy_action mysql[] = {
	ACTION("INSERT"), ACTION("UPDATE"), ACTION("DELETE"), END
};

static const struct legacy_action redis[] = {
	ACTION("SET"), ACTION("SETNX"), ACTION("HSET"), ACTION("HSETNX"), ACTION("RPUSH"),
	ACTION("LPUSH"), ACTION("RPOP"), ACTION("LPOP"), ACTION("SADD"), ACTION("SREM"),
	ACTION("DEL"), ACTION("HDEL"), ACTION("INCR"), ACTION("INCRBY"), ACTION("INCRBYFLOAT"),
	ACTION("HINCRBY"), ACTION("HINCRBYFLOAT"), ACTION("ZADD"), ACTION("ZINCRBY"),
	ACTION("PUBLISH"), ACTION("XADD"), ACTION("COMMAND"), END
};

static const struct legacy_action http[] = {
	ACTION("GET"), ACTION("POST"), ACTION("PUT"), ACTION("PATCH"), ACTION("DELETE"), END
};

static const struct legacy_action log_actions[] = { ACTION("WRITE"), END };

static const struct legacy_action stripe[] = {
	MAPPED("CREATE_CARD", "CREATE_CARD_SOURCE"), ACTION("UPDATE_CARD"),
	ACTION("DELETE_CARD"), ACTION("CREATE_CHARGE"), ACTION("CAPTURE_CHARGE"),
	ACTION("CREATE_CUSTOMER"), ACTION("UPDATE_CUSTOMER"), ACTION("DELETE_CUSTOMER"),
	ACTION("CREATE_SUBSCRIPTION"), ACTION("UPDATE_SUBSCRIPTION"),
	ACTION("DELETE_SUBSCRIPTION"), ACTION("CREATE_SUBSCRIPTION_ITEM"),
	ACTION("UPDATE_SUBSCRIPTION_ITEM"), ACTION("DELETE_SUBSCRIPTION_ITEM"),
	ACTION("CREATE_USAGE_RECORD"), END
};

static const struct legacy_action slack[] = { MAPPED("WEBHOOK", "INCOMING_WEBHOOK"), END };

static const struct legacy_action aws[] = {
	OPERATION("KMS", "encrypt", "KMS_ENCRYPT"),
	OPERATION("SES", "Send Template E-mail", "SES_SEND_TEMPLATED_EMAIL"),
	OPERATION("SQS", "Publish STANDARD Queue", "SQS_PUBLISH_STANDARD_QUEUE"),
	OPERATION("SQS", "Publish FIFO Queue", "SQS_PUBLISH_FIFO_QUEUE"),
	OPERATION("SNS", "Publish Message", "SNS_PUBLISH_MESSAGE"), END
};

static const struct legacy_action google[] = {
	MAPPED("BIGQUERY", "BIG_QUERY"), ACTION("PUB_SUB"),
	OPERATION("FIRESTORE", "set", NULL), OPERATION("FIRESTORE", "update", NULL),
	OPERATION("FIRESTORE", "delete", NULL), OPERATION("REALTIME_DATABASE", "set", NULL),
	OPERATION("REALTIME_DATABASE", "update", NULL),
	OPERATION("REALTIME_DATABASE", "remove", NULL), END
};

static const struct legacy_action mailchimp[] = {
	OPERATION("LIST", "add-member", "ADD_LIST_MEMBER"),
	OPERATION("LIST", "edit-member", "EDIT_LIST_MEMBER"),
	OPERATION("LIST", "delete-member", "DELETE_LIST_MEMBER"),
	OPERATION("LIST", "create-list", "CREATE_LIST"),
	OPERATION("LIST", "edit-list", "EDIT_LIST"),
	OPERATION("LIST", "delete-list", "DELETE_LIST"),
	OPERATION("LIST", "create-merge-field", "CREATE_MERGE_FIELD"),
	OPERATION("LIST", "edit-merge-field", "EDIT_MERGE_FIELD"),
	OPERATION("LIST", "delete-merge-field", "DELETE_MERGE_FIELD"),
	OPERATION("LIST", "create-signup-form", "CREATE_SIGNUP_FORM"),
	OPERATION("LIST", "create-webhook", "CREATE_WEBHOOK"),
	OPERATION("LIST", "edit-webhok", "EDIT_WEBHOOK"), /* the original's spelling */
	OPERATION("LIST", "delete-webhook", "DELETE_WEBHOOK"),
	OPERATION("CAMPAIGN", "create-campaign-folder", "CREATE_CAMPAIGN_FOLDER"),
	OPERATION("CAMPAIGN", "edit-campaign-folder", "EDIT_CAMPAIGN_FOLDER"),
	OPERATION("CAMPAIGN", "delete-campaign-folder", "DELETE_CAMPAIGN_FOLDER"),
	OPERATION("CAMPAIGN", "create-campaign", "CREATE_CAMPAIGN"),
	OPERATION("CAMPAIGN", "edit-campaign", "EDIT_CAMPAIGN"),
	OPERATION("CAMPAIGN", "delete-campaign", "DELETE_CAMPAIGN"),
	OPERATION("CAMPAIGN", "cancel-send", "CANCEL_CAMPAIGN_SEND"),
	OPERATION("CAMPAIGN", "create-resend", "CREATE_CAMPAIGN_RESEND"),
	OPERATION("CAMPAIGN", "pause-campaign-rss", "PAUSE_CAMPAIGN_RSS"),
	OPERATION("CAMPAIGN", "replicate-campaign", "REPLICATE_CAMPAIGN"),
	OPERATION("CAMPAIGN", "resume-campaign", "RESUME_CAMPAIGN"),
	OPERATION("CAMPAIGN", "schedule-campaign", "SCHEDULE_CAMPAIGN"),
	OPERATION("CAMPAIGN", "send-campaign", "SEND_CAMPAIGN"),
	OPERATION("CAMPAIGN", "test-campaign", "TEST_CAMPAIGN"),
	OPERATION("CAMPAIGN", "unschedule-campaign", "UNSCHEDULE_CAMPAIGN"),
	OPERATION("AUTHORIZED_APPS", "create-authorized-app", "CREATE_AUTHORIZED_APP"),
	OPERATION("BATCH", "create-batch-operation", "CREATE_BATCH_OPERATION"),
	OPERATION("BATCH", "create-batch-webhook", "CREATE_BATCH_WEBHOOK"),
	OPERATION("SITES", "create-connected-site", "CREATE_CONNECTED_SITE"),
	OPERATION("SITES", "delete-connected-site", "DELETE_CONNECTED_SITE"),
	OPERATION("SITES", "verify-connected-site", "VERIFY_CONNECTED_SITE"),
	OPERATION("FILES", "create-file-folder", "CREATE_FILE_FOLDER"),
	OPERATION("FILES", "edit-file-folder", "EDIT_FILE_FOLDER"),
	OPERATION("FILES", "delete-file-folder", "DELETE_FILE_FOLDER"),
	OPERATION("FILES", "create-file", "CREATE_FILE"),
	OPERATION("FILES", "edit-file", "EDIT_FILE"),
	OPERATION("FILES", "delete-file", "DELETE_FILE"),
	OPERATION("LANDING_PAGES", "create-landing-page", "CREATE_LANDING_PAGE"),
	OPERATION("LANDING_PAGES", "edit-landing-page", "EDIT_LANDING_PAGE"),
	OPERATION("LANDING_PAGES", "delete-landing-page", "DELETE_LANDING_PAGE"),
	OPERATION("LANDING_PAGES", "publish-landing-page", "PUBLISH_LANDING_PAGE"),
	OPERATION("LANDING_PAGES", "unpublish-landing-page", "UNPUBLISH_LANDING_PAGE"), END
};

static const struct legacy_action jira[] = {
	ACTION("CREATE_FILTER"), ACTION("UPDATE_FILTER"), ACTION("DELETE_FILTER"),
	ACTION("ADD_FAVORITE_FILTER"), ACTION("REMOVE_FAVORITE_FILTER"),
	ACTION("ADD_FILTER_PERMISSION"), ACTION("REMOVE_FILTER_PERMISSION"),
	ACTION("CREATE_ISSUE"), ACTION("UPDATE_ISSUE"), ACTION("DELETE_ISSUE"),
	ACTION("ASSIGN_ISSUE"), ACTION("ADD_ISSUE_COMMENT"), ACTION("UPDATE_ISSUE_COMMENT"),
	ACTION("DELETE_ISSUE_COMMENT"), ACTION("ADD_ISSUE_VOTE"), ACTION("DELETE_ISSUE_VOTE"),
	ACTION("CREATE_ISSUE_LINK"), ACTION("DELETE_ISSUE_LINK"),
	ACTION("DELETE_ISSUE_ATTACHMENT"), ACTION("CREATE_GROUP"), ACTION("DELETE_GROUP"),
	ACTION("ADD_GROUP_USER"), ACTION("REMOVE_GROUP_USER"), ACTION("CREATE_PROJECT"),
	ACTION("UPDATE_PROJECT"), ACTION("DELETE_PROJECT"), ACTION("SET_PROJECT_PROPERTY"),
	ACTION("DELETE_PROJECT_PROPERTY"), ACTION("CREATE_USER"), ACTION("DELETE_USER"),
	ACTION("SET_USER_PROPERTY"), ACTION("DELETE_USER_PROPERTY"), ACTION("CREATE_WEBHOOK"),
	ACTION("DELETE_WEBHOOK"), END
};

static const struct legacy_action pipedrive[] = {
	ACTION("LIST_WEBHOOKS"), ACTION("CREATE_WEBHOOK"), ACTION("DELETE_WEBHOOK"),
	ACTION("LIST_PERSONS"), ACTION("LIST_DEALS"), ACTION("LIST_STAGES"),
	ACTION("LIST_PIPELINES"), END
};

static const struct legacy_action digital_ocean[] = { ACTION("CREATE_DOMAIN_RECORD"), END };

static const struct legacy_action resultados_digitais[] = {
	ACTION("ACCOUNT_INFO"), ACTION("TRACKING_CODE"), ACTION("LIST_WEBHOOKS"),
	ACTION("CREATE_WEBHOOK"), ACTION("UPDATE_WEBHOOK"), ACTION("DELETE_WEBHOOK"),
	ACTION("CREATE_CONVERSION"), END
};

static const struct legacy_type types[] = {
	{ "POSTGRESQL", "POSTGRES", postgresql },
	{ "MYSQL", NULL, mysql },
	{ "REDIS", NULL, redis },
	{ "HTTP", "API", http },
	{ "LOG", NULL, log_actions },
	{ "STRIPE", NULL, stripe },
	{ "SLACK", NULL, slack },
	{ "AWS", NULL, aws },
	{ "GOOGLE_CLOUD_PLATFORM", "GCP", google },
	{ "MAILCHIMP", NULL, mailchimp },
	{ "JIRA", NULL, jira },
	{ "PIPEDRIVE", NULL, pipedrive },
	{ "DIGITAL_OCEAN", NULL, digital_ocean },
	{ "RESULTADOS_DIGITAIS", NULL, resultados_digitais },
};
/* clang-format on */

const struct legacy_type *legacy_type(struct text name)
{
	for (size_t i = 0; i < array_len(types); i++) {
		if (text_is(name, types[i].name) ||
			(types[i].alias && text_is(name, types[i].alias)))
			return &types[i];
	}
	return NULL;
}

bool legacy_has_action(const struct legacy_type *type, struct text action, bool *operations)
{
	*operations = false;
	for (const struct legacy_action *row = type->actions; row->action; row++) {
		if (!text_is(action, row->action))
			continue;
		*operations = row->operation != NULL;
		return true;
	}
	return false;
}

const struct legacy_action *legacy_action(
	const struct legacy_type *type, struct text action, struct text operation)
{
	for (const struct legacy_action *row = type->actions; row->action; row++) {
		if (text_is(action, row->action) &&
			(row->operation ? text_is(operation, row->operation)
					: !operation.at))
			return row;
	}
	return NULL;
}

void legacy_suggest_types(struct suggest *suggest)
{
	for (size_t i = 0; i < array_len(types); i++) {
		suggest_offer(suggest, text_of(types[i].name));
		if (types[i].alias)
			suggest_offer(suggest, text_of(types[i].alias));
	}
}

void legacy_suggest_actions(const struct legacy_type *type, struct suggest *suggest)
{
	for (const struct legacy_action *row = type->actions; row->action; row++)
		suggest_offer(suggest, text_of(row->action));
}

void legacy_suggest_operations(
	const struct legacy_type *type, struct text action, struct suggest *suggest)
{
	for (const struct legacy_action *row = type->actions; row->action; row++) {
		if (row->operation && text_is(action, row->action))
			suggest_offer(suggest, text_of(row->operation));
	}
}
