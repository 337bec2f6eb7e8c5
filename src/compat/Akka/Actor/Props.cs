using System.Linq.Expressions;
using System.Reflection;

namespace Akka.Actor;

/// <summary>Makes the instances of an actor in a way of its own.</summary>
public interface IIndirectActorProducer
{
    Type ActorType { get; }

    ActorBase Produce();

    void Release(ActorBase actor);
}

/// <summary>
/// The recipe of an actor: its class, the arguments of its constructor and its deployment. Immutable; every instance, also after a restart,
/// is made from the same arguments.
/// </summary>
public class Props : IEquatable<Props>
{
    /// <summary>The props of an actor that dies of being created.</summary>
    public static readonly Props None = new(typeof(EmptyActor));

    private static readonly object[] NoArguments = [];

    private readonly object[] _arguments = NoArguments;
    private readonly Type _type;
    private readonly IIndirectActorProducer _producer;
    private ConstructorInvoker _constructor;

    protected Props()
        : this(Deploy.None, typeof(EmptyActor), NoArguments)
    {
    }

    protected Props(Props copy)
        : this(copy, copy.Deploy, copy.SupervisorStrategy)
    {
    }

    public Props(Type type, object[] args)
        : this(Deploy.None, type, args)
    {
    }

    public Props(Type type)
        : this(Deploy.None, type, NoArguments)
    {
    }

    public Props(Type type, SupervisorStrategy supervisorStrategy, params object[] args)
        : this(Deploy.None, type, args) => SupervisorStrategy = supervisorStrategy;

    public Props(Deploy deploy, Type type, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(type);
        if (!typeof(ActorBase).IsAssignableFrom(type))
            throw new ArgumentException($"{type} is no actor.", nameof(type));
        Deploy = deploy;
        _type = type;
        _arguments = args ?? NoArguments;
    }

    private Props(IIndirectActorProducer producer)
    {
        Deploy = Deploy.None;
        _type = producer.ActorType;
        _producer = producer;
    }

    private Props(Props copy, Deploy deploy, SupervisorStrategy strategy)
    {
        Deploy = deploy;
        SupervisorStrategy = strategy;
        _type = copy._type;
        _arguments = copy._arguments;
        _producer = copy._producer;
        _constructor = copy._constructor;
    }

    public object[] Arguments => _arguments;

    public Deploy Deploy { get; protected set; }

    /// <summary>The dispatcher given, or null for the default one.</summary>
    public string Dispatcher => Deploy.Dispatcher.Length == 0 ? null : Deploy.Dispatcher;

    public static Props Empty => new();

    /// <summary>The mailbox given, or null.</summary>
    public string Mailbox => Deploy.Mailbox.Length == 0 ? null : Deploy.Mailbox;

    public SupervisorStrategy SupervisorStrategy { get; protected set; }

    public Type Type => _type;

    public string TypeName => _type.AssemblyQualifiedName;

    protected virtual Props Copy() => new(this);

    /// <summary>
    /// From <c>() =&gt; new SomeActor(a, b)</c>. The arguments are evaluated here, once.
    /// </summary>
    /// <exception cref="ArgumentException">The expression is something else than a constructor call.</exception>
    public static Props Create<TActor>(Expression<Func<TActor>> factory, SupervisorStrategy supervisorStrategy = null)
        where TActor : ActorBase
    {
        if (factory.Body is not NewExpression created)
            throw new ArgumentException("The factory must be of the form () => new SomeActor(...).", nameof(factory));
        var props = new Props(created.Type, supervisorStrategy, ExpressionArguments.Evaluate(created));
        if (created.Constructor is { } constructor)
            props._constructor = ConstructorInvoker.Create(constructor);
        return props;
    }

    public static Props Create<TActor>(params object[] args)
        where TActor : ActorBase => new(typeof(TActor), args);

    public static Props Create<TActor>(SupervisorStrategy supervisorStrategy)
        where TActor : ActorBase, new() => new(typeof(TActor), supervisorStrategy);

    public static Props Create(Type type, params object[] args) => new(type, args);

    /// <summary>Every instance comes from the producer.</summary>
    public static Props CreateBy(IIndirectActorProducer producer, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(producer);
        return new Props(producer);
    }

    public bool Equals(Props other) => other is not null && _type == other._type && ReferenceEquals(_producer, other._producer)
        && Equals(Deploy, other.Deploy) && _arguments.AsSpan().SequenceEqual(other._arguments);

    public override bool Equals(object obj) => Equals(obj as Props);

    public override int GetHashCode() => HashCode.Combine(_type, Deploy, _arguments.Length);

    public virtual ActorBase NewActor()
    {
        if (_producer is not null)
            return _producer.Produce();
        if (_arguments.Length == 0 && _constructor is null)
            return (ActorBase)Activator.CreateInstance(_type, nonPublic: true);
        _constructor ??= ConstructorInvoker.Create(FindConstructor());
        return (ActorBase)_constructor.Invoke(_arguments.AsSpan());
    }

    public Props WithDeploy(Deploy deploy) => With(deploy.WithFallback(Deploy), SupervisorStrategy);

    public Props WithDispatcher(string dispatcher) => With(Deploy.WithDispatcher(dispatcher), SupervisorStrategy);

    public Props WithMailbox(string mailbox) => With(Deploy.WithMailbox(mailbox), SupervisorStrategy);

    public Props WithStashCapacity(int stashCapacity) => With(Deploy.WithStashCapacity(stashCapacity), SupervisorStrategy);

    public Props WithSupervisorStrategy(SupervisorStrategy supervisorStrategy) => With(Deploy, supervisorStrategy);

    public override string ToString() => $"Props({_type?.FullName})";

    internal void Release(ActorBase actor)
    {
        if (_producer is not null)
            _producer.Release(actor);
        else
            (actor as IDisposable)?.Dispose();
    }

    private Props With(Deploy deploy, SupervisorStrategy strategy)
    {
        Props copy = Copy();
        copy.Deploy = deploy;
        copy.SupervisorStrategy = strategy;
        return copy;
    }

    private ConstructorInfo FindConstructor()
    {
        ConstructorInfo found = null;
        foreach (ConstructorInfo candidate in _type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            ParameterInfo[] parameters = candidate.GetParameters();
            if (parameters.Length != _arguments.Length)
                continue;
            bool fits = true;
            for (int i = 0; i < parameters.Length && fits; i++)
            {
                Type wanted = parameters[i].ParameterType;
                fits = _arguments[i] is { } given
                    ? wanted.IsInstanceOfType(given) : !wanted.IsValueType || Nullable.GetUnderlyingType(wanted) is not null;
            }

            if (!fits)
                continue;
            if (found is not null)
                throw new AmbiguousMatchException($"More than one constructor of {_type} takes the given {_arguments.Length} arguments.");
            found = candidate;
        }

        return found ?? throw new MissingMethodException($"No constructor of {_type} takes the given {_arguments.Length} arguments.");
    }

    private sealed class EmptyActor : UntypedActor
    {
        protected override void OnReceive(object message) => Unhandled(message);
    }
}

/// <summary>
/// The values of constructor arguments, without compiling an expression where that can be avoided: it costs milliseconds.
/// </summary>
internal static class ExpressionArguments
{
    public static object[] Evaluate(NewExpression created)
    {
        var values = new object[created.Arguments.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = Evaluate(created.Arguments[i]);
        return values;
    }

    private static object Evaluate(Expression expression)
    {
        switch (expression)
        {
            case ConstantExpression constant:
                return constant.Value;
            case MemberExpression { Member: FieldInfo field } member:
                return field.GetValue(member.Expression is null ? null : Evaluate(member.Expression));
            case MemberExpression { Member: PropertyInfo property } member:
                return property.GetValue(member.Expression is null ? null : Evaluate(member.Expression));
            // A reference keeps its value through a conversion to a base type or an interface.
            case UnaryExpression { NodeType: ExpressionType.Convert, Method: null } convert
                when !convert.Operand.Type.IsValueType && convert.Type.IsAssignableFrom(convert.Operand.Type):
                return Evaluate(convert.Operand);
            default:
                Expression boxed = Expression.Convert(expression, typeof(object));
                return Expression.Lambda<Func<object>>(boxed).Compile(preferInterpretation: true)();
        }
    }
}
