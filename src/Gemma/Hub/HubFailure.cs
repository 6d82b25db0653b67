using System.Net;

namespace Gemma.Hub;

/// <summary>What the hub refuses, as one line that says what to do.</summary>
internal static class HubFailure
{
    public static GemmaException Of(HubRequest request, HubOptions options, HttpStatusCode status, string? code, string? message)
    {
        string repository = request.Model.Repository, page = $"{options.Endpoint}/{repository}", tokens = $"{options.Endpoint}/settings/tokens";
        string command = $"gemma pull {request.Model}", withToken = $"HF_TOKEN=hf_… {command}", token = $"the token from {options.TokenSource}";
        if (message == "Invalid credentials in Authorization header")
            return new AccessException($"{token} is not valid; make a new one at {tokens}, then run: {withToken}");
        if (code == "GatedRepo")
        {
            return new AccessException(options.Token is null
                ? $"{repository} is given only to those who accept its licence; accept it at {page}, make a token at {tokens}, then run: {withToken}"
                : $"{repository} is not open to {token}; accept the licence at {page} with the account of the token, "
                    + $"and let the token read gated repositories ({tokens}), then run: {command}");
        }
        if (code == "RevisionNotFound")
            return new GemmaException($"{repository} has no revision {request.Model.Revision}; see {page}/tree/main, or run: gemma pull {repository}");
        if (code == "EntryNotFound" || (code is null && status == HttpStatusCode.NotFound && request.File is not null))
            return new GemmaException($"{repository} has no file {request.File} at revision {request.Model.Revision}; see {page}/tree/main");
        if (code == "RepoNotFound" || (code is null && status is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized))
        {
            string missing = $"{repository}: the hub {options.Endpoint} shows no such model{ModelAliases.Suggestion(repository)}";
            // Without a token the hub does not tell a model that is private from one that does not exist.
            return status == HttpStatusCode.NotFound && options.Token is not null
                ? new GemmaException($"{missing}; check the name at {page}")
                : new AccessException($"{missing}; check the name, or if it is private make a token at {tokens}, then run: {withToken}");
        }
        string said = FormattableString.Invariant($"{repository}: {new Uri(options.Endpoint).Host} answers {(int)status} {status}")
            + (message is null ? "" : $" ({ModelReference.OneLine(message)})");
        return status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
            ? new AccessException(options.Token is null
                ? $"{said}; make a token at {tokens}, then run: {withToken}"
                : $"{said}; check what {token} may read at {tokens}, then run: {command}")
            : new GemmaException($"{said}; check the name at {page}, and HF_ENDPOINT");
    }
}
