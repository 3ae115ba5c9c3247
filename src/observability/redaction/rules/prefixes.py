"""List the secrets that announce themselves by a prefix, as data.

Each row is our own reading of the issuer's documentation. A row's body is one run of one alphabet, so the end of a
secret needs no delimiter: a comma, a bracket, a quote or an escape stops it because it is not of the alphabet.
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
DIGITS = "0-9"
BASE64 = r"A-Za-z0-9+/=_\-"
BASE58 = "1-9A-HJ-NP-Za-km-z"


@dataclass(frozen=True, slots=True)
class Token:
    """Describe one family: what starts it, which characters go on, how many at least and at most."""

    kind: str
    prefixes: tuple[str, ...]
    alphabet: str
    least: int
    most: int = 512
    # Whether what follows must not read as words: for prefixes that ordinary text can contain.
    random: bool = False
    # Whether a letter or digit may stand before the prefix, and how many characters before it belong to the secret.
    inside: bool = False
    back: int = 0


TOKENS: tuple[Token, ...] = (
    # Model providers.
    Token("anthropic_key", ("sk-ant-",), WORD, 12),  # console keys: sk-ant-api03-, sk-ant-admin01-, sk-ant-oat01-
    Token("openrouter_key", ("sk-or-",), WORD, 16),  # sk-or-v1- and 64 hex digits
    Token("langfuse_key", ("sk-lf-", "pk-lf-"), WORD, 10),  # a UUID after the prefix
    Token("openai_key", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-service-"), WORD, 16),  # project and service keys
    Token(
        "openai_key", ("sk-",), WORD, 16, random=True
    ),  # user keys: 48; also DeepSeek's 32 hex and others' imitations
    Token("openai_key", ("sess-",), ALNUM, 36),  # dashboard session keys
    Token("groq_key", ("gsk_",), ALNUM, 20),  # 52 characters
    Token("google_api_key", ("AIza",), WORD, 30),  # 35 characters; Gemini, Maps, Firebase
    Token("google_api_key", ("AQ.",), WORD, 40, random=True),  # Gemini's newer ones, some 53 characters
    Token("google_oauth_token", ("ya29.",), WORD, 12),
    Token("google_oauth_secret", ("GOCSPX-",), WORD, 20),  # 28 characters
    Token("google_refresh_token", ("1//0",), WORD, 30),
    Token("xai_key", ("xai-",), WORD, 20, random=True),  # 80 characters
    Token("huggingface_token", ("hf_", "api_org_"), ALNUM, 24),  # 34 characters
    Token("replicate_token", ("r8_",), WORD, 30),  # 37 characters
    Token("perplexity_key", ("pplx-",), ALNUM, 24),  # 48 or 56
    Token("cerebras_key", ("csk-",), ALNUM, 30),  # 48
    Token("fireworks_key", ("fw_",), ALNUM, 20, random=True),
    Token("together_key", ("tgp_v1_",), WORD, 30),
    Token("nvidia_key", ("nvapi-",), WORD, 40),
    Token("langsmith_key", ("lsv2_pt_", "lsv2_sk_", "ls__"), "a-zA-Z0-9_", 32),
    Token("tavily_key", ("tvly-",), WORD, 20),
    Token("elevenlabs_key", ("sk_",), LOWHEX, 32),  # 48 hex digits
    Token("voyage_key", ("pa-",), WORD, 36, random=True),
    Token("jina_key", ("jina_",), WORD, 40),
    Token("pinecone_key", ("pcsk_",), "A-Za-z0-9_", 40),
    Token("firecrawl_key", ("fc-",), LOWHEX, 32),
    Token("apify_token", ("apify_api_",), WORD, 30),
    Token("composio_key", ("comp_",), ALNUM, 32, random=True),
    Token("wandb_key", ("wandb_v1_",), "A-Za-z0-9_", 30),
    # Clouds.
    Token("aws_access_key", ("AKIA", "ASIA", "ABIA", "ACCA"), UPPER, 16, 16),  # IAM identifiers: 20 in all
    Token("aws_access_key", ("A3T",), UPPER, 17, 17, random=True),
    Token("aws_bedrock_key", ("ABSK", "bedrock-api-key-"), BASE64, 28),
    Token("alibaba_key", ("LTAI",), ALNUM, 17),
    Token("tencent_key", ("AKID",), ALNUM, 32),
    Token("digitalocean_token", ("dop_v1_", "doo_v1_", "dor_v1_"), LOWHEX, 40),
    Token("heroku_key", ("HRKU-",), WORD, 30),
    Token("flyio_token", ("FlyV1 ",), BASE64, 40),
    Token("flyio_token", ("fo1_",), WORD, 40),
    Token("flyio_token", ("fm1a_", "fm1r_", "fm2_"), BASE64, 40),
    Token("scaleway_key", ("SCW",), UPPER, 17, 17),
    Token("yandex_key", ("AQVN", "YCAJ", "YCOL", "YCPB"), WORD, 20, random=True),
    Token("yandex_token", ("t1.9euelZ",), BASE64 + ".", 30),
    Token("databricks_token", ("dapi",), LOWHEX, 32),
    Token("doppler_token", ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."), WORD + ".", 30),
    Token("vault_token", ("hvs.", "hvb.", "hvr."), WORD, 20),
    Token("vault_token", ("s.",), ALNUM, 24, 24, random=True),
    Token("terraform_token", (".atlasv1.",), WORD + "=", 50, inside=True, back=14),
    Token("pulumi_token", ("pul-",), LOWER, 40),
    Token("planetscale_token", ("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), DOTTED + "=", 30),
    Token("supabase_key", ("sbp_",), LOWER, 40),
    Token("supabase_key", ("sb_secret_",), WORD, 20),
    Token("openshift_token", ("sha256~",), WORD, 40),
    Token("prefect_key", ("pnu_", "pnb_"), ALNUM, 30),
    Token("infracost_key", ("ico-",), ALNUM, 32),
    Token("cloudflare_key", ("v1.0-",), WORD, 100),
    Token("cloudflare_key", ("cfut_", "cfat_", "cfk_"), ALNUM, 40),  # origin CA key
    Token("fastly_key", ("fastly_",), WORD, 32, random=True),
    Token("artifactory_key", ("AKCp",), ALNUM, 60),
    Token("artifactory_token", ("cmVmd",), ALNUM, 56),
    Token("harness_token", ("pat.", "sat."), DOTTED, 50, random=True),
    Token("octopus_key", ("API-",), UPPER, 26),
    Token("age_key", ("AGE-SECRET-KEY-1",), UPPER, 50),
    Token("onepassword_token", ("ops_eyJ",), BASE64, 40),
    Token("onepassword_key", ("A3-",), UPPER + "-", 31, random=True),
    Token("tailscale_key", ("tskey-",), WORD, 16),
    Token("grafana_token", ("glc_", "glsa_"), BASE64, 32),
    Token("grafana_token", ("eyJrIjoi",), BASE64, 40),
    Token("newrelic_key", ("NRAK-", "NRII-", "NRIQ-", "NRJS-", "NRBR-", "NRRA-", "NRSP-"), WORD, 19),
    Token("sentry_token", ("sntrys_", "sntryu_"), BASE64, 40),
    Token("dynatrace_token", ("dt0c01.", "dt0s01.", "dt0s16."), ALNUM + ".", 40),
    Token("launchdarkly_key", ("api-", "sdk-"), LOWER + "-", 36, 36, random=True),  # a UUID
    Token("confluent_key", ("cflt",), BASE64, 50),
    Token("mongodb_key", ("mdb_sa_sk_",), WORD, 30),
    # Code hosts and package registries.
    Token("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "A-Za-z0-9_", 30),  # 36 characters
    Token("github_token", ("github_pat_",), "A-Za-z0-9_", 40),  # 82 characters
    Token(
        "gitlab_token", ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glft-", "glsoat-", "glimt-"), DOTTED + "=", 16
    ),
    Token("gitlab_token", ("glagent-", "gloas-", "glffct-", "GR1348941", "_gitlab_session="), WORD, 20, inside=True),
    Token("bitbucket_token", ("ATBB", "ATCTT3xFfG", "BBDC-"), BASE64, 20),
    Token("atlassian_token", ("ATATT3", "ATSTT3"), BASE64, 60),
    Token("npm_token", ("npm_",), ALNUM, 30),  # 36
    Token("pypi_token", ("pypi-",), WORD, 50),  # a macaroon; pypi-AgEIcHlwaS5vcmc...
    Token("rubygems_key", ("rubygems_",), ALNUM, 40),
    Token("clojars_token", ("CLOJARS_",), ALNUM, 40),
    Token("docker_token", ("dckr_pat_", "dckr_oat_"), WORD, 20),
    Token("sourcegraph_token", ("sgp_", "sgp_local_", "slk_"), "a-fA-F0-9_", 40),
    Token("crates_token", ("cio",), ALNUM, 32, 32, random=True),
    Token("nuget_key", ("oy2",), LOWER, 43, 43),
    # Messengers and mail.
    Token(
        "slack_token",
        ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxo-", "xoxd-", "xoxc-"),
        BASE64 + "%",
        12,
    ),
    Token("slack_token", ("xoxe.xoxb-", "xoxe.xoxp-", "xapp-"), WORD, 12),
    Token("sendgrid_key", ("SG.",), DOTTED + "=", 40),  # SG. 22 . 43
    Token("brevo_key", ("xkeysib-", "xsmtpsib-"), WORD, 40),
    Token("mailgun_key", ("key-", "pubkey-"), LOWHEX, 32, random=True),
    Token("resend_key", ("re_",), "A-Za-z0-9_", 30, random=True),
    Token("twilio_key", ("SK",), ALNUM, 32, 32, random=True),
    Token("typeform_token", ("tfp_",), DOTTED, 40),
    Token("intercom_token", ("dG9rO",), BASE64, 40),
    Token("facebook_token", ("EAAC", "EAAM", "EAAB", "EAAG", "EAAI"), ALNUM, 40),
    Token("telegram_bot_token", (":AA",), WORD, 32, inside=True, back=10),  # the bot's number before the colon
    # Money and shops.
    Token("stripe_key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_"), ALNUM, 10),
    Token("stripe_secret", ("whsec_",), BASE64, 20),
    Token("square_token", ("sq0atp-", "sq0csp-", "sq0ina-", "sq0idp-", "sq0idb-", "sq0cmo-"), WORD, 22),
    Token("square_token", ("EAAAE", "EAAAl"), WORD, 22),
    Token("square_token", ("EAAA",), WORD, 22, random=True),
    Token("shopify_token", ("shpat_", "shpca_", "shppa_", "shpss_"), HEX, 30),
    Token("paypal_token", ("access_token$production$", "access_token$sandbox$"), LOWER + "$", 40),
    Token("plaid_token", ("access-sandbox-", "access-production-", "access-development-"), HEX + "-", 32),
    Token("flutterwave_key", ("FLWSECK-", "FLWSECK_TEST-", "FLWSECK_LIVE-"), WORD, 12),
    Token("flutterwave_key", ("FLWPUBK_TEST-", "FLWPUBK-"), WORD, 12),
    Token("easypost_key", ("EZAK", "EZTK"), ALNUM, 50),
    Token("shippo_token", ("shippo_live_", "shippo_test_"), HEX, 32),
    Token("duffel_token", ("duffel_test_", "duffel_live_"), WORD + "=", 40),
    Token("gocardless_token", ("live_", "sandbox_"), WORD + "=", 40, random=True),
    Token("lob_key", ("live_", "test_", "live_pub_", "test_pub_"), LOWHEX, 31),
    Token("amazon_mws_token", ("amzn.mws.",), HEX + "-", 36),
    Token("coinbase_commerce_token", ("cbp_", "cbt_"), WORD, 30, random=True),
    # Offices and tools.
    Token("adobe_secret", ("p8e-", "p8e_"), ALNUM, 32),
    Token("airtable_token", ("pat",), ALNUM + ".", 70, random=True),
    Token("beamer_token", ("b_",), BASE64, 44, random=True),
    Token("contentful_token", ("CFPAT-",), WORD, 40),
    Token("figma_token", ("figd_", "figu_", "figp_"), WORD + "=", 36),
    Token("frameio_token", ("fio-u-",), WORD + "=", 40),
    Token("hubspot_token", ("pat-na1-", "pat-na2-", "pat-eu1-", "pat-ap1-"), ALNUM + "-", 36),
    Token("linear_key", ("lin_api_", "lin_oauth_"), ALNUM, 32),
    Token("notion_token", ("secret_", "ntn_"), ALNUM, 40),
    Token("mapbox_token", ("pk.eyJ", "sk.eyJ", "tk.eyJ"), DOTTED, 40),
    Token("postman_key", ("PMAK-",), WORD, 50),
    Token("readme_key", ("rdme_",), LOWER, 60),
    Token("scalingo_token", ("tk-us-",), WORD, 40),
    Token("settlemint_token", ("sm_pat_", "sm_aat_", "sm_sat_"), ALNUM, 16),
    Token("defined_token", ("dnkey-",), WORD + "=", 50),
    Token("authress_key", ("sc_", "ext_", "scauth_", "authress_"), DOTTED + "=+/", 50, random=True),
    Token("sonar_token", ("squ_", "sqp_", "sqa_", "sqco_"), BASE64, 40),
    Token("posthog_key", ("phx_", "phc_"), "A-Za-z0-9_", 36),
    Token("buildkite_token", ("bkua_",), ALNUM, 36),
    Token("circleci_token", ("CCIPAT_", "CCIPRJ_"), "A-Za-z0-9_", 40),
    Token("zapier_key", ("sk-ak-",), WORD, 30),
    Token("dune_key", ("sim_",), ALNUM, 24, random=True),
    Token("coingecko_key", ("CG-",), ALNUM, 22, 32, random=True),
    Token("coinbase_key", ("/apiKeys/",), WORD, 36, inside=True),  # organizations/UUID/apiKeys/UUID
    Token("robinhood_key", ("rh-api-",), HEX + "-", 36),
    Token("clickhouse_key", ("4b1d",), ALNUM, 38, 38, random=True),
    Token("maxmind_key", ("_mmk",), ALNUM, 0, 0, inside=True, back=36),
    Token("newrelic_key", ("FFFFNRAL", "-NRMA"), ALNUM, 0, 0, inside=True, back=48),
    Token("adafruit_key", ("aio_",), ALNUM, 28, random=True),
    Token("deno_token", ("ddp_", "ddw_"), ALNUM, 36),
    Token("bannerbear_key", ("bb_pr_", "bb_ma_"), LOWHEX, 30),
    Token("close_key", ("api_",), ALNUM + ".", 45, random=True),
    Token("finage_key", ("API_KEY",), UPPER, 32, 32, random=True),
    Token("fleetbase_key", ("flb_live_", "flb_test_"), ALNUM, 20),
    Token("flexport_key", ("shltm_",), WORD, 40),
    Token("fullstory_key", ("na1.", "eu1."), BASE64, 60, random=True),
    Token("klaviyo_key", ("pk_",), "A-Za-z0-9_", 34, random=True),
    Token("locationiq_key", ("pk.",), WORD, 32, random=True),
    Token("mapbox_token", ("sk.",), DOTTED, 80, random=True),
    Token("nightfall_key", ("NF-",), ALNUM, 32, 32, random=True),
    Token("pagarme_key", ("ak_live_", "ak_test_"), ALNUM, 24),
    Token("paystack_key", ("sk_live_", "sk_test_"), WORD, 30),
    Token("pubnub_key", ("pub-c-", "sub-c-", "sec-c-"), WORD, 36),
    Token("ramp_key", ("ramp_id_", "ramp_sec_"), ALNUM, 36),
    Token("razorpay_key", ("rzp_live_", "rzp_test_"), ALNUM, 14),
    Token("rootly_token", ("rootly_",), LOWHEX, 64),
    Token("salad_key", ("salad_cloud_",), "A-Za-z0-9_", 24, random=True),
    Token("salesforce_token", ("3MVG9", "5AEP861"), DOTTED + "=+/", 80),
    Token("intra42_secret", ("s-s4t2ud-", "s-s4t2af-"), LOWHEX, 64),
    Token("trufflehog_key", ("thog-key-", "thog-secret-"), LOWHEX, 16),
    Token("ubidots_key", ("BBFF-",), ALNUM, 30),
    Token("voiceflow_key", ("VF.DM.", "VF.WS.", "VF."), ALNUM + ".", 40, random=True),
    Token("zoho_token", ("1000.",), LOWHEX + ".", 65, 65, random=True),
    Token("endorlabs_key", ("endr+",), ALNUM + "-", 16, random=True),
    Token("azure_registry_key", ("+ACR",), ALNUM, 6, 6, inside=True, back=42),
    Token("stripe_secret", ("_secret_",), ALNUM, 25, inside=True, back=27),  # of a payment intent
    Token("stripe_key", ("pk_live_",), ALNUM, 20),
    Token("polymarket_key", ("pmk_",), WORD, 24),
    Token("azure_secret", ("Q~",), DOTTED + "~", 31, inside=True, back=4),  # 3 characters and a digit before it
    # Private keys whose PEM header was stripped: how the base64 of their DER form begins.
    Token(
        "private_key",
        ("MIIEvQIBADAN", "MIIEvgIBADAN", "MIIEvAIBADAN", "MIIEpAIBAAK", "MIIEowIBAAK", "MIIEogIBAAK", "MIIJQgIBADAN"),
        BASE64,
        40,
    ),
    Token("private_key", ("MIGHAgEAMBMG", "MHcCAQEEI", "MC4CAQAwBQYDK2VwBCIE", "b3BlbnNzaC1rZXktdjEA"), BASE64, 20),
    # Extended private keys (BIP-32): 111 characters in all.
    Token("extended_private_key", ("xprv", "yprv", "zprv", "tprv", "uprv", "vprv", "Yprv", "Zprv"), BASE58, 70),
)
