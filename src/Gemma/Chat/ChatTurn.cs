namespace Gemma.Chat;

/// <summary>Who speaks in a <see cref="ChatTurn"/>.</summary>
public enum ChatTurnRole
{
    /// <summary>Instructions for the whole conversation; only at its beginning.</summary>
    System,
    User,
    Model,
}

/// <summary>What one side of a conversation says.</summary>
public sealed record ChatTurn(ChatTurnRole Role, string Text)
{
    public static ChatTurn System(string text) => new(ChatTurnRole.System, text);

    public static ChatTurn User(string text) => new(ChatTurnRole.User, text);

    public static ChatTurn Model(string text) => new(ChatTurnRole.Model, text);
}
