"""Synapse's keys that this version doesn't read, and warnings about what it doesn't.

Keys inside a mapping are written with dots, a list's items without index:
`listeners.additional_resources`.
"""

import re
from collections.abc import Collection

from synapse.config.place import Place, show

# Accepted, and named once in the log. Whoever builds what a key is for takes it out of here.
_NOT_SUPPORTED_YET = """
    modules use_frozen_dicts
    restrict_public_rooms_to_local_users gc_thresholds gc_min_interval
    manhole manhole_settings
    matrix_authentication_service
    delete_stale_devices_after dont_notify_new_devices_for email user_types
    hs_disabled hs_disabled_message limit_usage_by_mau max_mau_value mau_trial_days
    mau_appservice_trial_days mau_limit_alerting mau_stats_only mau_limit_reserved_threepids
    server_context limit_remote_rooms max_avatar_size allowed_avatar_mimetypes
    forgotten_room_retention_period user_ips_max_age request_token_inhibit_3pid_errors
    next_link_domain_whitelist templates enable_ephemeral_messages
    redaction_allowed_period include_profile_updates_in_sync

    rc_registration_token_validity rc_3pid_validation rc_media_create
    rc_key_requests

    enable_authenticated_media enable_media_repo enable_local_media_storage media_store_path
    backup_media_store_path synchronous_backup_media_store max_pending_media_uploads
    unused_expiration_time media_storage_providers max_upload_size media_upload_limits
    max_image_pixels remote_media_download_burst_count remote_media_download_per_second
    prevent_media_downloads_from dynamic_thumbnails thumbnail_sizes media_retention
    url_preview_enabled url_preview_ip_range_blacklist url_preview_ip_range_whitelist
    url_preview_url_blacklist max_spider_size url_preview_accept_language oembed

    recaptcha_public_key recaptcha_public_key_path recaptcha_private_key recaptcha_private_key_path
    enable_registration_captcha recaptcha_siteverify_api turn_uris turn_shared_secret
    turn_shared_secret_path turn_username turn_password turn_user_lifetime turn_allow_guests
    matrix_rtc registrations_require_3pid disable_msisdn_registration allowed_local_3pids
    registration_requires_token enable_registration_token_3pid_bypass
    account_threepid_delegates enable_3pid_changes login_via_existing_session account_validity
    use_account_validity_in_account_status

    sentry metrics_flags report_stats_endpoint track_puppeted_user_ips app_service_config_files
    track_appservice_user_ips use_appservice_legacy_authorization saml2_config oidc_providers
    oidc_config cas_config sso jwt_config ldap_config password_providers push push_rules
    user_consent stats
    exclude_rooms_from_presence opentracing spam_checker
    third_party_event_rules auto_accept_invites background_updates task_scheduler
    experimental_features replication_torture_level

    worker_replication_secret worker_replication_secret_path start_pushers pusher_instances
    send_federation federation_sender_instances instance_map stream_writers
    outbound_federation_restricted_to run_background_tasks_on update_user_directory_from_worker
    notify_appservices_from_worker media_instance_running_background_jobs redis worker_app
    worker_name worker_listeners worker_manhole worker_daemonize worker_pid_file worker_log_config
    worker_main_http_uri worker_replication_host worker_replication_port
    worker_replication_http_port worker_replication_http_tls

    listeners.additional_resources database.txn_limit database.data_stores
    caches.expire_caches caches.cache_entry_ttl
    caches.sync_response_cache_duration caches.cache_autotuning
    """

# Of older times: there is nothing left for them to do, here or in Synapse.
_OBSOLETE = """
    tls_fingerprints invite_3pid_guest trust_identity_server_for_password_resets log_file verbose
    no_redirect_stdio
    """

NOT_SUPPORTED_YET = frozenset(_NOT_SUPPORTED_YET.split())
OBSOLETE = frozenset(_OBSOLETE.split())

# Read by synctl, not by the server.
FOR_SYNCTL = frozenset({"synctl_cache_factor", "synctl_cache_factors"})

_INDEX = re.compile(r"\[\d+\]")


def warn_about_unknown(values: Collection[object], known: Collection[str], place: Place) -> None:
    """Name the keys that aren't read: one line for Synapse's, one for each that nobody knows."""
    unread = [key for key in values if key not in known and key not in FOR_SYNCTL]
    names = {key: key if isinstance(key, str) else show(key) for key in unread}
    full = {key: _full_name(place.path, name) for key, name in names.items()}
    later = [names[key] for key in unread if full[key] in NOT_SUPPORTED_YET]
    if later:
        place.warn(_sentence("not supported yet, ignored", later))
    past = [names[key] for key in unread if full[key] in OBSOLETE]
    if past:
        place.warn(_sentence("no longer needed, ignored", past))
    for key in unread:
        if full[key] not in NOT_SUPPORTED_YET | OBSOLETE:
            _warn_about_stranger(names[key], known, place)


def _full_name(path: str, name: str) -> str:
    return f"{_INDEX.sub('', path)}.{name}" if path else name


def _sentence(verdict: str, names: list[str]) -> str:
    return f"{'keys' if len(names) > 1 else 'key'} {verdict}: {', '.join(names)}"


def _warn_about_stranger(name: str, known: Collection[str], place: Place) -> None:
    from difflib import get_close_matches

    candidates = list(known)
    if not place.path:
        candidates += [known_key for known_key in NOT_SUPPORTED_YET if "." not in known_key]
    close = get_close_matches(name, candidates, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    place.key(name).warn(f"is not a known key, ignored{hint}")
