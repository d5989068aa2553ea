"""Installing packs: from a folder, an archive, a git repository or a registry, whole or not at all.

    with Places.of(folders).locked() as places:
        install(places, [source], ...)

`places` says where everything is, `sources` fetches, `requirements` resolves, `transaction` makes the change, and the
other modules are what a user can do: `installing`, `updating`, `switching`, `lockfile`, `scaffold`.

Rules, stated once:

- Everything is fetched, checked and resolved beside its place first. What is then done to the installation is a few
  renames, written down before they begin: a failure undoes them, and so does the next start after a kill.
- Limner's own Python environment is never changed. What packs require beyond it lies in a folder of packages that hosts
  add to their path; each set of packages has a folder of its own, so going back is naming the one before.
- What a pack's user decided, and where a pack came from, stands in `.limner.toml` in the folder that holds the packs.
"""
