#!/bin/sh
# Sees that the programs which the tests start are there: redis-server, postgres, pgbouncer, curl, nginx, openssl, zsh, fish, chromium, its driver.
# Installs what is missing where it can (apt-get, as root or with a sudo that asks nothing), without starting
# a service. Otherwise says in one line what to install, and fails.
# With the argument firefox also Firefox, which only nightly tests start.
# KICK_WITHOUT=redis,chromium does without: the tests that need the program are then reported as not run.
set -eu

also=${1:-}

without() { case ",${KICK_WITHOUT:-}," in *",$1,"*) return 0 ;; *) return 1 ;; esac }

any_of() {
    for name in "$@"; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

missing() {
    if ! without redis && ! any_of redis-server; then printf 'redis-server '; fi
    if ! without postgres && ! any_of postgres /usr/lib/postgresql/*/bin/postgres; then printf 'postgresql '; fi
    if ! without postgres && ! any_of pgbouncer; then printf 'pgbouncer '; fi
    if ! without curl && ! any_of curl; then printf 'curl '; fi
    if ! without nginx && ! any_of nginx; then printf 'nginx '; fi
    if ! without openssl && ! any_of openssl; then printf 'openssl '; fi
    if ! any_of faketime; then printf 'faketime '; fi
    if ! without zsh && ! any_of zsh; then printf 'zsh '; fi
    if ! without fish && ! any_of fish; then printf 'fish '; fi
    if ! without chromium; then
        if ! any_of chromium chromium-browser google-chrome; then printf 'chromium '; fi
        if ! any_of chromedriver; then printf 'chromium-driver '; fi
    fi
    if [ "$also" = firefox ] && ! without firefox && ! any_of firefox-esr firefox; then printf 'firefox-esr '; fi
}

packages=$(missing)
if [ -z "$packages" ]; then exit 0; fi

as_root=
if [ "$(id -u)" != 0 ]; then as_root='sudo -n'; fi
if any_of apt-get && { [ -z "$as_root" ] || sudo -n true 2>/dev/null; }; then
    echo "installing what the tests need: $packages"
    # policy-rc.d is how Debian's packages are told to start no service. One that is there already is left alone.
    # $1 and $@ are the inner shell's.
    # shellcheck disable=SC2016
    $as_root sh -eu -c '
        if [ ! -e /usr/sbin/policy-rc.d ]; then
            trap "rm -f /usr/sbin/policy-rc.d" EXIT
            printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d
            chmod +x /usr/sbin/policy-rc.d
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    ' sh $packages </dev/null || true
    packages=$(missing)
    if [ -z "$packages" ]; then exit 0; fi
fi

echo "the tests need programs that are not installed: $packages(or leave their tests out: KICK_WITHOUT=redis,chromium)" >&2
exit 1
