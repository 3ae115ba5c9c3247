"""The families of secrets that begin with a known prefix, as data.

Each row is our own reading of the issuer's documentation. What follows a prefix is one run of characters of one
alphabet, so a secret needs no delimiter: a comma, a bracket, a quote or an escape ends it.
"""

from __future__ import annotations

from dataclasses import dataclass

ALNUM = "A-Za-z0-9"
WORD = r"A-Za-z0-9_\-"  # base64url
DOTTED = r"A-Za-z0-9_.\-"
LOWHEX = "a-f0-9"
HEX = "a-fA-F0-9"
LOWER = "a-z0-9"
UPPER = "A-Z0-9"
BASE64 = r"A-Za-z0-9+/=_\-"
BASE58 = "1-9A-HJ-NP-Za-km-z"


@dataclass(frozen=True, slots=True)
class Token:
    """A family: its prefixes, the alphabet of what follows them, and the fewest and most characters of that."""

    kind: str
    prefixes: tuple[str, ...]
    alphabet: str
    least: int
    most: int = 512
    random: bool = False  # the rest must not read as words, since ordinary text can contain the prefix
    inside: bool = False  # a letter or digit may stand before the prefix
    back: int = 0  # the most characters before the prefix that belong to the secret


TOKENS: tuple[Token, ...] = (
    # Model providers.
    # console keys: sk-ant-api03-, sk-ant-admin01-, sk-ant-oat01-
    Token(kind="anthropic_key", prefixes=("sk-ant-",), alphabet=WORD, least=12),
    Token(kind="openrouter_key", prefixes=("sk-or-",), alphabet=WORD, least=16),  # sk-or-v1- and 64 hex digits
    Token(kind="langfuse_key", prefixes=("sk-lf-", "pk-lf-"), alphabet=WORD, least=10),  # a UUID after the prefix
    # project and service keys
    Token(kind="openai_key", prefixes=("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-service-"), alphabet=WORD, least=16),
    # user keys: 48; also DeepSeek's 32 hex and others' imitations
    Token(kind="openai_key", prefixes=("sk-",), alphabet=WORD, least=16, random=True),
    Token(kind="openai_key", prefixes=("sess-",), alphabet=ALNUM, least=36),  # dashboard session keys
    Token(kind="groq_key", prefixes=("gsk_",), alphabet=ALNUM, least=20),  # 52 characters
    Token(kind="google_api_key", prefixes=("AIza",), alphabet=WORD, least=30),  # 35 characters; Gemini, Maps, Firebase
    # Gemini's newer ones, some 53 characters
    Token(kind="google_api_key", prefixes=("AQ.",), alphabet=WORD, least=40, random=True),
    Token(kind="google_oauth_token", prefixes=("ya29.",), alphabet=WORD, least=12),
    Token(kind="google_oauth_secret", prefixes=("GOCSPX-",), alphabet=WORD, least=20),  # 28 characters
    Token(kind="google_refresh_token", prefixes=("1//0",), alphabet=WORD, least=30),
    Token(kind="xai_key", prefixes=("xai-",), alphabet=WORD, least=20, random=True),  # 80 characters
    Token(kind="huggingface_token", prefixes=("hf_", "api_org_"), alphabet=ALNUM, least=24),  # 34 characters
    Token(kind="replicate_token", prefixes=("r8_",), alphabet=WORD, least=30),  # 37 characters
    Token(kind="perplexity_key", prefixes=("pplx-",), alphabet=ALNUM, least=24),  # 48 or 56
    Token(kind="cerebras_key", prefixes=("csk-",), alphabet=ALNUM, least=30),  # 48
    Token(kind="fireworks_key", prefixes=("fw_",), alphabet=ALNUM, least=20, random=True),
    Token(kind="together_key", prefixes=("tgp_v1_",), alphabet=WORD, least=30),
    Token(kind="nvidia_key", prefixes=("nvapi-",), alphabet=WORD, least=40),
    Token(kind="langsmith_key", prefixes=("lsv2_pt_", "lsv2_sk_", "ls__"), alphabet="a-zA-Z0-9_", least=32),
    Token(kind="tavily_key", prefixes=("tvly-",), alphabet=WORD, least=20),
    Token(kind="elevenlabs_key", prefixes=("sk_",), alphabet=LOWHEX, least=32),  # 48 hex digits
    Token(kind="voyage_key", prefixes=("pa-",), alphabet=WORD, least=36, random=True),
    Token(kind="jina_key", prefixes=("jina_",), alphabet=WORD, least=40),
    Token(kind="pinecone_key", prefixes=("pcsk_",), alphabet="A-Za-z0-9_", least=40),
    Token(kind="firecrawl_key", prefixes=("fc-",), alphabet=LOWHEX, least=32),
    Token(kind="apify_token", prefixes=("apify_api_",), alphabet=WORD, least=30),
    Token(kind="composio_key", prefixes=("comp_",), alphabet=ALNUM, least=32, random=True),
    Token(kind="wandb_key", prefixes=("wandb_v1_",), alphabet="A-Za-z0-9_", least=30),
    # Agents' tools and hosts of models.
    Token(kind="e2b_key", prefixes=("e2b_",), alphabet=LOWHEX, least=40),
    Token(kind="browserbase_key", prefixes=("bb_live_", "bb_test_"), alphabet=WORD, least=24, random=True),
    Token(kind="neon_key", prefixes=("napi_",), alphabet=LOWER, least=40, random=True),
    Token(kind="runpod_key", prefixes=("rpa_",), alphabet=ALNUM, least=40, random=True),
    Token(kind="render_key", prefixes=("rnd_",), alphabet=ALNUM, least=28, random=True),
    Token(kind="netlify_token", prefixes=("nfp_",), alphabet=ALNUM, least=36, random=True),
    Token(kind="vercel_key", prefixes=("vck_", "vcp_", "vci_", "vca_"), alphabet=ALNUM, least=24, random=True),
    Token(kind="cursor_key", prefixes=("crsr_", "key_"), alphabet=LOWHEX, least=60),
    Token(kind="llamacloud_key", prefixes=("llx-",), alphabet=ALNUM, least=40),
    Token(kind="qianfan_key", prefixes=("bce-v3/ALTAK-",), alphabet=ALNUM + "/", least=30),
    Token(kind="polar_token", prefixes=("polar_pat_", "polar_oat_"), alphabet=WORD, least=30),
    Token(kind="inngest_key", prefixes=("signkey-prod-", "signkey-test-"), alphabet=LOWHEX, least=32),
    Token(kind="novita_key", prefixes=("sk_",), alphabet=WORD, least=40, random=True),
    # Clouds.
    # IAM identifiers: 20 in all
    Token(kind="aws_access_key", prefixes=("AKIA", "ASIA", "ABIA", "ACCA"), alphabet=UPPER, least=16, most=16),
    Token(kind="aws_access_key", prefixes=("A3T",), alphabet=UPPER, least=17, most=17, random=True),
    Token(kind="aws_bedrock_key", prefixes=("ABSK", "bedrock-api-key-"), alphabet=BASE64, least=28),
    Token(kind="alibaba_key", prefixes=("LTAI",), alphabet=ALNUM, least=17),
    Token(kind="tencent_key", prefixes=("AKID",), alphabet=ALNUM, least=32),
    Token(kind="digitalocean_token", prefixes=("dop_v1_", "doo_v1_", "dor_v1_"), alphabet=LOWHEX, least=40),
    Token(kind="heroku_key", prefixes=("HRKU-",), alphabet=WORD, least=30),
    Token(kind="flyio_token", prefixes=("FlyV1 ",), alphabet=BASE64, least=40),
    Token(kind="flyio_token", prefixes=("fo1_",), alphabet=WORD, least=40),
    Token(kind="flyio_token", prefixes=("fm1a_", "fm1r_", "fm2_"), alphabet=BASE64, least=40),
    Token(kind="scaleway_key", prefixes=("SCW",), alphabet=UPPER, least=17, most=17),
    Token(kind="yandex_key", prefixes=("AQVN", "YCAJ", "YCOL", "YCPB"), alphabet=WORD, least=20, random=True),
    Token(kind="yandex_token", prefixes=("t1.9euelZ",), alphabet=BASE64 + ".", least=30),
    Token(kind="databricks_token", prefixes=("dapi",), alphabet=LOWHEX, least=32),
    Token(
        kind="doppler_token",
        prefixes=("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."),
        alphabet=WORD + ".",
        least=30,
    ),
    Token(kind="vault_token", prefixes=("hvs.", "hvb.", "hvr."), alphabet=WORD, least=20),
    Token(kind="vault_token", prefixes=("s.",), alphabet=ALNUM, least=24, most=24, random=True),
    Token(kind="terraform_token", prefixes=(".atlasv1.",), alphabet=WORD + "=", least=50, inside=True, back=14),
    Token(kind="pulumi_token", prefixes=("pul-",), alphabet=LOWER, least=40),
    Token(
        kind="planetscale_token",
        prefixes=("pscale_tkn_", "pscale_pw_", "pscale_oauth_"),
        alphabet=DOTTED + "=",
        least=30,
    ),
    Token(kind="supabase_key", prefixes=("sbp_",), alphabet=LOWER, least=40),
    Token(kind="supabase_key", prefixes=("sb_secret_",), alphabet=WORD, least=20),
    Token(kind="openshift_token", prefixes=("sha256~",), alphabet=WORD, least=40),
    Token(kind="prefect_key", prefixes=("pnu_", "pnb_"), alphabet=ALNUM, least=30),
    Token(kind="infracost_key", prefixes=("ico-",), alphabet=ALNUM, least=32),
    Token(kind="cloudflare_key", prefixes=("v1.0-",), alphabet=WORD, least=100),
    Token(kind="cloudflare_key", prefixes=("cfut_", "cfat_", "cfk_"), alphabet=ALNUM, least=40),  # origin CA key
    Token(kind="fastly_key", prefixes=("fastly_",), alphabet=WORD, least=32, random=True),
    Token(kind="pganalyze_key", prefixes=("pgar_", "pgaw_"), alphabet=ALNUM, least=20),
    Token(kind="spectralops_key", prefixes=("spu-",), alphabet=LOWHEX, least=32),
    Token(kind="besttime_key", prefixes=("pri_",), alphabet=LOWHEX, least=32),
    Token(kind="artifactory_key", prefixes=("AKCp",), alphabet=ALNUM, least=60),
    Token(kind="artifactory_token", prefixes=("cmVmd",), alphabet=ALNUM, least=56),
    Token(kind="harness_token", prefixes=("pat.", "sat."), alphabet=DOTTED, least=50, random=True),
    Token(kind="octopus_key", prefixes=("API-",), alphabet=UPPER, least=26),
    Token(kind="age_key", prefixes=("AGE-SECRET-KEY-1",), alphabet=UPPER, least=50),
    Token(kind="onepassword_token", prefixes=("ops_eyJ",), alphabet=BASE64, least=40),
    Token(kind="onepassword_key", prefixes=("A3-",), alphabet=UPPER + "-", least=31, random=True),
    Token(kind="tailscale_key", prefixes=("tskey-",), alphabet=WORD, least=16),
    Token(kind="grafana_token", prefixes=("glc_", "glsa_"), alphabet=BASE64, least=32),
    Token(kind="grafana_token", prefixes=("eyJrIjoi",), alphabet=BASE64, least=40),
    Token(
        kind="newrelic_key",
        prefixes=("NRAK-", "NRII-", "NRIQ-", "NRJS-", "NRBR-", "NRRA-", "NRSP-"),
        alphabet=WORD,
        least=19,
    ),
    Token(kind="sentry_token", prefixes=("sntrys_", "sntryu_"), alphabet=BASE64, least=40),
    Token(kind="dynatrace_token", prefixes=("dt0c01.", "dt0s01.", "dt0s16."), alphabet=ALNUM + ".", least=40),
    # a UUID
    Token(kind="launchdarkly_key", prefixes=("api-", "sdk-"), alphabet=LOWER + "-", least=36, most=36, random=True),
    Token(kind="confluent_key", prefixes=("cflt",), alphabet=BASE64, least=50),
    Token(kind="mongodb_key", prefixes=("mdb_sa_sk_",), alphabet=WORD, least=30),
    # Code hosts and package registries.
    # 36 characters
    Token(kind="github_token", prefixes=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), alphabet="A-Za-z0-9_", least=30),
    Token(kind="github_token", prefixes=("github_pat_",), alphabet="A-Za-z0-9_", least=40),  # 82 characters
    Token(
        kind="gitlab_token",
        prefixes=("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glft-", "glsoat-", "glimt-"),
        alphabet=DOTTED + "=",
        least=16,
    ),
    Token(
        kind="gitlab_token",
        prefixes=("glagent-", "gloas-", "glffct-", "GR1348941", "_gitlab_session="),
        alphabet=WORD,
        least=20,
        inside=True,
    ),
    Token(kind="bitbucket_token", prefixes=("ATBB", "ATCTT3xFfG", "BBDC-"), alphabet=BASE64, least=20),
    Token(kind="atlassian_token", prefixes=("ATATT3", "ATSTT3"), alphabet=BASE64, least=60),
    Token(kind="npm_token", prefixes=("npm_",), alphabet=ALNUM, least=30),  # 36
    Token(kind="pypi_token", prefixes=("pypi-",), alphabet=WORD, least=50),  # a macaroon; pypi-AgEIcHlwaS5vcmc...
    Token(kind="rubygems_key", prefixes=("rubygems_",), alphabet=ALNUM, least=40),
    Token(kind="clojars_token", prefixes=("CLOJARS_",), alphabet=ALNUM, least=40),
    Token(kind="docker_token", prefixes=("dckr_pat_", "dckr_oat_"), alphabet=WORD, least=20),
    Token(kind="sourcegraph_token", prefixes=("sgp_", "sgp_local_", "slk_"), alphabet="a-fA-F0-9_", least=40),
    Token(kind="crates_token", prefixes=("cio",), alphabet=ALNUM, least=32, most=32, random=True),
    Token(kind="nuget_key", prefixes=("oy2",), alphabet=LOWER, least=43, most=43),
    # Messengers and mail.
    Token(
        kind="slack_token",
        prefixes=("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxo-", "xoxd-", "xoxc-"),
        alphabet=BASE64 + "%",
        least=12,
    ),
    Token(kind="slack_token", prefixes=("xoxe.xoxb-", "xoxe.xoxp-", "xapp-"), alphabet=WORD, least=12),
    Token(kind="sendgrid_key", prefixes=("SG.",), alphabet=DOTTED + "=", least=40),  # SG. 22 . 43
    Token(kind="brevo_key", prefixes=("xkeysib-", "xsmtpsib-"), alphabet=WORD, least=40),
    Token(kind="mailgun_key", prefixes=("key-", "pubkey-"), alphabet=LOWHEX, least=32, random=True),
    Token(kind="resend_key", prefixes=("re_",), alphabet="A-Za-z0-9_", least=30, random=True),
    Token(kind="twilio_key", prefixes=("SK",), alphabet=ALNUM, least=32, most=32, random=True),
    Token(kind="typeform_token", prefixes=("tfp_",), alphabet=DOTTED, least=40),
    Token(kind="intercom_token", prefixes=("dG9rO",), alphabet=BASE64, least=40),
    Token(kind="facebook_token", prefixes=("EAAC", "EAAM", "EAAB", "EAAG", "EAAI"), alphabet=ALNUM, least=40),
    # the bot's number stands before the colon
    Token(kind="telegram_bot_token", prefixes=(":AA",), alphabet=WORD, least=32, inside=True, back=10),
    # Money and shops.
    Token(
        kind="stripe_key",
        prefixes=("sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_"),
        alphabet=ALNUM,
        least=10,
    ),
    Token(kind="stripe_secret", prefixes=("whsec_",), alphabet=BASE64, least=20),
    Token(
        kind="square_token",
        prefixes=("sq0atp-", "sq0csp-", "sq0ina-", "sq0idp-", "sq0idb-", "sq0cmo-"),
        alphabet=WORD,
        least=22,
    ),
    Token(kind="square_token", prefixes=("EAAAE", "EAAAl"), alphabet=WORD, least=22),
    Token(kind="square_token", prefixes=("EAAA",), alphabet=WORD, least=22, random=True),
    Token(kind="shopify_token", prefixes=("shpat_", "shpca_", "shppa_", "shpss_"), alphabet=HEX, least=30),
    Token(
        kind="paypal_token",
        prefixes=("access_token$production$", "access_token$sandbox$"),
        alphabet=LOWER + "$",
        least=40,
    ),
    Token(
        kind="plaid_token",
        prefixes=("access-sandbox-", "access-production-", "access-development-"),
        alphabet=HEX + "-",
        least=32,
    ),
    Token(kind="flutterwave_key", prefixes=("FLWSECK-", "FLWSECK_TEST-", "FLWSECK_LIVE-"), alphabet=WORD, least=12),
    Token(kind="flutterwave_key", prefixes=("FLWPUBK_TEST-", "FLWPUBK-"), alphabet=WORD, least=12),
    Token(kind="easypost_key", prefixes=("EZAK", "EZTK"), alphabet=ALNUM, least=50),
    Token(kind="shippo_token", prefixes=("shippo_live_", "shippo_test_"), alphabet=HEX, least=32),
    Token(kind="duffel_token", prefixes=("duffel_test_", "duffel_live_"), alphabet=WORD + "=", least=40),
    Token(kind="gocardless_token", prefixes=("live_", "sandbox_"), alphabet=WORD + "=", least=40, random=True),
    Token(kind="lob_key", prefixes=("live_", "test_", "live_pub_", "test_pub_"), alphabet=LOWHEX, least=31),
    Token(kind="amazon_mws_token", prefixes=("amzn.mws.",), alphabet=HEX + "-", least=36),
    Token(kind="coinbase_commerce_token", prefixes=("cbp_", "cbt_"), alphabet=WORD, least=30, random=True),
    # Offices and tools.
    Token(kind="adobe_secret", prefixes=("p8e-", "p8e_"), alphabet=ALNUM, least=32),
    Token(kind="airtable_token", prefixes=("pat",), alphabet=ALNUM + ".", least=70, random=True),
    Token(kind="beamer_token", prefixes=("b_",), alphabet=BASE64, least=44, random=True),
    Token(kind="contentful_token", prefixes=("CFPAT-",), alphabet=WORD, least=40),
    Token(kind="figma_token", prefixes=("figd_", "figu_", "figp_"), alphabet=WORD + "=", least=36),
    Token(kind="frameio_token", prefixes=("fio-u-",), alphabet=WORD + "=", least=40),
    Token(
        kind="hubspot_token", prefixes=("pat-na1-", "pat-na2-", "pat-eu1-", "pat-ap1-"), alphabet=ALNUM + "-", least=36
    ),
    Token(kind="linear_key", prefixes=("lin_api_", "lin_oauth_"), alphabet=ALNUM, least=32),
    Token(kind="notion_token", prefixes=("secret_", "ntn_"), alphabet=ALNUM, least=40),
    Token(kind="mapbox_token", prefixes=("pk.eyJ", "sk.eyJ", "tk.eyJ"), alphabet=DOTTED, least=40),
    Token(kind="postman_key", prefixes=("PMAK-",), alphabet=WORD, least=50),
    Token(kind="readme_key", prefixes=("rdme_",), alphabet=LOWER, least=60),
    Token(kind="scalingo_token", prefixes=("tk-us-",), alphabet=WORD, least=40),
    Token(kind="settlemint_token", prefixes=("sm_pat_", "sm_aat_", "sm_sat_"), alphabet=ALNUM, least=16),
    Token(kind="defined_token", prefixes=("dnkey-",), alphabet=WORD + "=", least=50),
    Token(
        kind="authress_key",
        prefixes=("sc_", "ext_", "scauth_", "authress_"),
        alphabet=DOTTED + "=+/",
        least=50,
        random=True,
    ),
    Token(kind="sonar_token", prefixes=("squ_", "sqp_", "sqa_", "sqco_"), alphabet=BASE64, least=40),
    Token(kind="posthog_key", prefixes=("phx_", "phc_"), alphabet="A-Za-z0-9_", least=36),
    Token(kind="buildkite_token", prefixes=("bkua_",), alphabet=ALNUM, least=36),
    Token(kind="circleci_token", prefixes=("CCIPAT_", "CCIPRJ_"), alphabet="A-Za-z0-9_", least=40),
    Token(kind="zapier_key", prefixes=("sk-ak-",), alphabet=WORD, least=30),
    Token(kind="dune_key", prefixes=("sim_",), alphabet=ALNUM, least=24, random=True),
    Token(kind="coingecko_key", prefixes=("CG-",), alphabet=ALNUM, least=22, most=32, random=True),
    # organizations/UUID/apiKeys/UUID
    Token(kind="coinbase_key", prefixes=("/apiKeys/",), alphabet=WORD, least=36, inside=True),
    Token(kind="robinhood_key", prefixes=("rh-api-",), alphabet=HEX + "-", least=36),
    Token(kind="clickhouse_key", prefixes=("4b1d",), alphabet=ALNUM, least=38, most=38, random=True),
    Token(kind="maxmind_key", prefixes=("_mmk",), alphabet=ALNUM, least=0, most=0, inside=True, back=36),
    Token(kind="newrelic_key", prefixes=("FFFFNRAL", "-NRMA"), alphabet=ALNUM, least=0, most=0, inside=True, back=48),
    Token(kind="adafruit_key", prefixes=("aio_",), alphabet=ALNUM, least=28, random=True),
    Token(kind="deno_token", prefixes=("ddp_", "ddw_"), alphabet=ALNUM, least=36),
    Token(kind="bannerbear_key", prefixes=("bb_pr_", "bb_ma_"), alphabet=LOWHEX, least=30),
    Token(kind="close_key", prefixes=("api_",), alphabet=ALNUM + ".", least=45, random=True),
    Token(kind="finage_key", prefixes=("API_KEY",), alphabet=UPPER, least=32, most=32, random=True),
    Token(kind="fleetbase_key", prefixes=("flb_live_", "flb_test_"), alphabet=ALNUM, least=20),
    Token(kind="flexport_key", prefixes=("shltm_",), alphabet=WORD, least=40),
    Token(kind="fullstory_key", prefixes=("na1.", "eu1."), alphabet=BASE64, least=60, random=True),
    Token(kind="klaviyo_key", prefixes=("pk_",), alphabet="A-Za-z0-9_", least=34, random=True),
    Token(kind="locationiq_key", prefixes=("pk.",), alphabet=WORD, least=32, random=True),
    Token(kind="mapbox_token", prefixes=("sk.",), alphabet=DOTTED, least=80, random=True),
    Token(kind="nightfall_key", prefixes=("NF-",), alphabet=ALNUM, least=32, most=32, random=True),
    Token(kind="pagarme_key", prefixes=("ak_live_", "ak_test_"), alphabet=ALNUM, least=24),
    Token(kind="paystack_key", prefixes=("sk_live_", "sk_test_"), alphabet=WORD, least=30),
    Token(kind="pubnub_key", prefixes=("pub-c-", "sub-c-", "sec-c-"), alphabet=WORD, least=36),
    Token(kind="ramp_key", prefixes=("ramp_id_", "ramp_sec_"), alphabet=ALNUM, least=36),
    Token(kind="razorpay_key", prefixes=("rzp_live_", "rzp_test_"), alphabet=ALNUM, least=14),
    Token(kind="rootly_token", prefixes=("rootly_",), alphabet=LOWHEX, least=64),
    Token(kind="salad_key", prefixes=("salad_cloud_",), alphabet="A-Za-z0-9_", least=24, random=True),
    Token(kind="salesforce_token", prefixes=("3MVG9", "5AEP861"), alphabet=DOTTED + "=+/", least=80),
    Token(kind="intra42_secret", prefixes=("s-s4t2ud-", "s-s4t2af-"), alphabet=LOWHEX, least=64),
    Token(kind="trufflehog_key", prefixes=("thog-key-", "thog-secret-"), alphabet=LOWHEX, least=16),
    Token(kind="ubidots_key", prefixes=("BBFF-",), alphabet=ALNUM, least=30),
    Token(kind="voiceflow_key", prefixes=("VF.DM.", "VF.WS.", "VF."), alphabet=ALNUM + ".", least=40, random=True),
    Token(kind="zoho_token", prefixes=("1000.",), alphabet=LOWHEX + ".", least=65, most=65, random=True),
    Token(kind="endorlabs_key", prefixes=("endr+",), alphabet=ALNUM + "-", least=16, random=True),
    Token(kind="azure_registry_key", prefixes=("+ACR",), alphabet=ALNUM, least=6, most=6, inside=True, back=42),
    # a payment intent's
    Token(kind="stripe_secret", prefixes=("_secret_",), alphabet=ALNUM, least=25, inside=True, back=27),
    Token(kind="stripe_key", prefixes=("pk_live_",), alphabet=ALNUM, least=20),
    Token(kind="polymarket_key", prefixes=("pmk_",), alphabet=WORD, least=24),
    # 3 characters and a digit before it
    Token(kind="azure_secret", prefixes=("Q~",), alphabet=DOTTED + "~", least=31, inside=True, back=4),
    # Private keys without their PEM header: the first characters of their DER form in base64.
    Token(
        kind="private_key",
        prefixes=(
            "MIIEvQIBADAN",
            "MIIEvgIBADAN",
            "MIIEvAIBADAN",
            "MIIEpAIBAAK",
            "MIIEowIBAAK",
            "MIIEogIBAAK",
            "MIIJQgIBADAN",
        ),
        alphabet=BASE64,
        least=40,
    ),
    Token(
        kind="private_key",
        prefixes=("MIGHAgEAMBMG", "MHcCAQEEI", "MC4CAQAwBQYDK2VwBCIE", "b3BlbnNzaC1rZXktdjEA"),
        alphabet=BASE64,
        least=20,
    ),
    # Private keys of other networks, in the writing of their own wallets.
    Token(kind="nostr_private_key", prefixes=("nsec1", "ncryptsec1"), alphabet=LOWER, least=58),
    Token(kind="sui_private_key", prefixes=("suiprivkey1",), alphabet=LOWER, least=50),
    Token(kind="tezos_private_key", prefixes=("edsk", "edesk", "spsk", "p2sk"), alphabet=BASE58, least=50, random=True),
    Token(kind="eos_private_key", prefixes=("PVT_K1_", "PVT_R1_"), alphabet=BASE58, least=40),
    Token(
        kind="cardano_private_key",
        prefixes=("ed25519_sk1", "ed25519e_sk1", "root_xsk1", "acct_xsk1", "addr_xsk1"),
        alphabet=LOWER,
        least=50,
    ),
    Token(kind="lightning_macaroon", prefixes=("0201036c6e64",), alphabet=HEX, least=60),
    Token(kind="minisign_key", prefixes=("RWRTY0Iy",), alphabet=BASE64, least=100),
    # Extended private keys (BIP-32): 111 characters in all.
    Token(
        kind="extended_private_key",
        prefixes=("xprv", "yprv", "zprv", "tprv", "uprv", "vprv", "Yprv", "Zprv", "kprv", "Ltpv", "dgpv"),
        alphabet=BASE58,
        least=70,
    ),
)
