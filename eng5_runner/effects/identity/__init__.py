"""The Identity Service: log in with e-mail and password, keep the login on disk, renew it, end it.

    cache = LoginCache(state_folder, identity_url=url)           # one file of mode 0600 for each service
    await log_in(cache, IdentityClient(service), email=…, password=…, clock=SystemClock())
    login = await current_login(cache, identity, clock=clock)    # renewed if it expires within a minute
    login.access_token                                           # for the CJ service's admin routes

`client` speaks to the service, `login_cache` keeps the file, `session` decides when a login is renewed. Several
processes may use one login at the same time: a lock on the file keeps them from renewing it twice.
"""
