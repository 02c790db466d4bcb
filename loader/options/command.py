"""A command as it was given: what the caller said counts first, then the environment, then the configuration file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loader.errors import UsageError
from loader.options import Option
from loader.options.file import ConfigurationFile, JobInput, parsed
from loader.options.profiles import FIXED, Profile, profile
from loader.options.verbs import options_of

_NEVER_BLANK = {
    "profile": "any other HubSpot account would do",
    "portal_id": "any other HubSpot account would do",
    "copy_to": "nothing would be copied",
    "on_end": "no program would be run",
    "scheduler": "new processes of this machine would do the work",
}
"""Options whose value is often a shell variable (`--profile "$CLIENT"`), and what a blank value would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command with the values of all its options, by keywords.

    `arguments` are the words without an option: inputs, or the results file of `undo`. `job` holds the `[[input]]`s
    of the configuration file. `typed` are the words that were typed, or could have been; none of them is a secret.
    `profile` is the one that the command uses, None without any.
    """

    verb: str
    values: Mapping[str, Any]
    arguments: tuple[str, ...] = ()
    job: tuple[JobInput, ...] = ()
    typed: tuple[str, ...] = ()
    profile: Profile | None = None


def command(
    verb: str,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    spelled: Callable[[Option], str],
    *,
    arguments: tuple[str, ...] = (),
    typed: tuple[str, ...] = (),
) -> Command:
    """Return a command from the options that the caller gave, by keyword and as typed (`file.as_typed`).

    Raises UsageError for a value that an option cannot have. The error names the option as `spelled` does (a word of
    the command line, or a keyword of Python), and one from a configuration file by its key there.
    """
    options = options_of(verb)
    path = given.get("config")
    if path is None and "config" in options:
        path = options["config"].in_environment(environment)
    try:
        file = ConfigurationFile.read(options["config"].kind.read(path)) if path is not None else None
    except ValueError as error:
        raise UsageError(f"{spelled(options['config'])} {error}") from error
    in_file = file.values(verb) if file else {}
    job = file.inputs(verb) if file else ()

    for source, name in ((given, spelled), (in_file, lambda option: f"{path}: {option.key}")):
        for keyword, otherwise in _NEVER_BLANK.items():
            if isinstance(text := source.get(keyword), str) and not text.strip():
                raise UsageError(
                    f"{name(options[keyword])} is blank, and without it {otherwise}: write which one is meant, or "
                    "leave it out"
                )

    own = _profile(given, in_file, options, environment)

    def value_of(option: Option) -> Any:
        value = given.get(option.keyword)
        if own is not None and option.keyword in FIXED:
            value = own.values.get(option.keyword, option.default)
        elif value is None and (value := option.in_environment(environment)) is not None and option.several:
            value = value.split(option.kind.separator)
        by_file = value is None and option.keyword in in_file
        if value is None:
            value = in_file.get(option.keyword)
        if value is None:
            value = own.values.get(option.keyword, option.default) if own else option.default
        if value is None:
            return () if option.several else False if option.is_flag else None
        try:
            return parsed(option, value)
        except ValueError as error:
            if file and by_file:
                raise file.wrong(option, error) from error
            raise UsageError(f"{spelled(option)} {error}") from error

    # Of several mistakes, the first that was typed is reported.
    values = {name: value_of(options[name]) for name in [*given, *(each for each in options if each not in given)]}
    return Command(verb=verb, values=values, arguments=arguments, job=job, typed=typed, profile=own)


def _profile(
    given: Mapping[str, Any], in_file: Mapping[str, Any], options: Mapping[str, Option], environment: Mapping[str, str]
) -> Profile | None:
    """Return the profile that a command uses, if any; UsageError if another option contradicts it.

    A job that names its profile is never run under another, and no option or key may name another account, token or
    address. The environment is ignored for these.
    """
    option = options.get("profile")
    if option is None:
        return None
    of_job = in_file.get("profile")
    name = given.get("profile") or option.in_environment(environment) or of_job
    if not name:
        return None
    if of_job and of_job != name:
        raise UsageError(
            f"the --config file belongs to profile {of_job}, and --profile says {name}: keep one of the two"
        )
    found = profile(name, environment)
    for source, place in ((given, "on the command line"), (in_file, "in the --config file")):
        for keyword in FIXED:
            other, default = source.get(keyword), options[keyword].default
            if other is not None and other.rstrip("/") != (found.values.get(keyword) or default or "").rstrip("/"):
                raise UsageError(
                    f"profile {name} says which account, token and address are used, and {options[keyword].word} "
                    f"{place} says otherwise: leave one of the two out"
                )
    return found
