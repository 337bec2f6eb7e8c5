using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Chronik.Model;

/// <summary>
/// A block of pinned memory, counted by reference. It starts with one reference, owned by whoever rented it. Whoever keeps it past the
/// call it was handed to calls <see cref="Retain"/> and later <see cref="Release"/>; the last release gives the block back.
/// </summary>
/// <remarks>Thread-safe for counting; the bytes are written by one owner before they are shared.</remarks>
public sealed class PooledBuffer
{
    private readonly BufferPool _pool;
    private GCHandle _pin; // Of an array that was not made for a pool, and so is not pinned for good.
    private int _references;

    internal PooledBuffer(BufferPool pool, byte[] array, int sizeClass, GCHandle pin = default)
    {
        _pool = pool;
        _pin = pin;
        Array = array;
        SizeClass = sizeClass;
    }

    /// <summary>The block itself; may be longer than <see cref="Length"/>.</summary>
    public byte[] Array { get; }

    /// <summary>How many bytes were asked for.</summary>
    public int Length { get; private set; }

    internal int SizeClass { get; }

    /// <summary>The bytes that were asked for.</summary>
    public Memory<byte> Memory => new(Array, 0, Length);

    /// <summary>The bytes that were asked for.</summary>
    public Span<byte> Span => new(Array, 0, Length);

    /// <summary>A part of the buffer. Does not count as a reference.</summary>
    public BufferSlice Slice(int start, int length) => new(this, start, length);

    /// <summary>Adds a reference.</summary>
    public void Retain()
    {
        int now = Interlocked.Increment(ref _references);
        Invariant.Require(now > 1);
    }

    /// <summary>Drops a reference; the last one gives the block back to its pool.</summary>
    public void Release()
    {
        int now = Interlocked.Decrement(ref _references);
        Invariant.Require(now >= 0);
        if (now > 0) return;
        if (_pin.IsAllocated) _pin.Free();
        _pool.Return(this);
    }

    internal void Lend(int length)
    {
        Debug.Assert(_references == 0);
        _references = 1;
        Length = length;
    }
}

/// <summary>A part of a <see cref="PooledBuffer"/>. Copying the struct does not count as a reference.</summary>
/// <param name="Buffer">The buffer; null for an empty slice.</param>
/// <param name="Start">Where the part begins, in bytes.</param>
/// <param name="Length">How long it is, in bytes.</param>
public readonly record struct BufferSlice(PooledBuffer? Buffer, int Start, int Length)
{
    /// <summary>No bytes, no buffer.</summary>
    public static readonly BufferSlice Empty = default;

    /// <summary>The bytes.</summary>
    public Span<byte> Span => Buffer is null ? default : new Span<byte>(Buffer.Array, Start, Length);

    /// <summary>The bytes.</summary>
    public Memory<byte> Memory => Buffer is null ? default : new Memory<byte>(Buffer.Array, Start, Length);

    /// <summary>Adds a reference to the buffer behind the slice.</summary>
    public void Retain() => Buffer?.Retain();

    /// <summary>Drops a reference to the buffer behind the slice.</summary>
    public void Release() => Buffer?.Release();
}

/// <summary>
/// Lends pinned blocks in powers of two from 4 KiB to 1 MiB and keeps a bounded number of returned ones; larger blocks are made for the
/// occasion. Thread-safe. Lending never fails for want of a quota: whoever lends to a client charges the client first.
/// </summary>
public sealed class BufferPool
{
    private const int SmallestShift = 12;
    private const int LargestShift = 20;
    private const int Unpooled = -1;

    private readonly Stack<PooledBuffer>[] _free;
    private readonly long _keepBytes;
    private long _keptBytes;
    private long _lentBytes;

    /// <summary>Makes a pool.</summary>
    /// <param name="keepBytes">How many bytes of returned blocks it may keep for the next borrower.</param>
    public BufferPool(long keepBytes = 64 << 20)
    {
        _keepBytes = keepBytes;
        _free = new Stack<PooledBuffer>[LargestShift - SmallestShift + 1];
        for (int i = 0; i < _free.Length; i++) _free[i] = new Stack<PooledBuffer>();
    }

    /// <summary>Bytes lent and not yet returned.</summary>
    public long LentBytes => Volatile.Read(ref _lentBytes);

    /// <summary>Bytes of returned blocks waiting for a borrower.</summary>
    public long KeptBytes => Volatile.Read(ref _keptBytes);

    /// <summary>Lends a buffer of at least <paramref name="length"/> bytes, with one reference. Its content is arbitrary.</summary>
    public PooledBuffer Rent(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        int sizeClass = SizeClassOf(length);
        PooledBuffer? buffer = null;
        if (sizeClass != Unpooled)
        {
            Stack<PooledBuffer> free = _free[sizeClass];
            lock (free) free.TryPop(out buffer);
            if (buffer is not null) Interlocked.Add(ref _keptBytes, -buffer.Array.Length);
        }

        buffer ??= Make(length, sizeClass);
        Interlocked.Add(ref _lentBytes, buffer.Array.Length);
        buffer.Lend(length);
        return buffer;
    }

    /// <summary>Lends a buffer that holds a copy of these bytes, with one reference for the caller.</summary>
    public BufferSlice Copy(ReadOnlySpan<byte> bytes)
    {
        PooledBuffer buffer = Rent(bytes.Length);
        bytes.CopyTo(buffer.Span);
        return buffer.Slice(0, bytes.Length);
    }

    /// <summary>
    /// Counts an array that came from elsewhere like a lent block, with one reference, and pins it until the last one is dropped. Nobody
    /// may write to it from now on. It never becomes a block of the pool.
    /// </summary>
    public PooledBuffer Wrap(byte[] array)
    {
        PooledBuffer buffer = new(this, array, Unpooled, GCHandle.Alloc(array, GCHandleType.Pinned));
        Interlocked.Add(ref _lentBytes, array.Length);
        buffer.Lend(array.Length);
        return buffer;
    }

    /// <summary>How many bytes a buffer of <paramref name="length"/> really occupies.</summary>
    public static long BlockBytes(int length)
    {
        int sizeClass = SizeClassOf(length);
        return sizeClass == Unpooled ? length : 1L << (sizeClass + SmallestShift);
    }

    internal void Return(PooledBuffer buffer)
    {
        int size = buffer.Array.Length;
        Interlocked.Add(ref _lentBytes, -size);
        if (buffer.SizeClass == Unpooled || Interlocked.Add(ref _keptBytes, size) > _keepBytes)
        {
            if (buffer.SizeClass != Unpooled) Interlocked.Add(ref _keptBytes, -size);
            return;
        }

        Stack<PooledBuffer> free = _free[buffer.SizeClass];
        lock (free) free.Push(buffer);
    }

    private PooledBuffer Make(int length, int sizeClass)
    {
        int size = sizeClass == Unpooled ? length : 1 << (sizeClass + SmallestShift);
        return new PooledBuffer(this, GC.AllocateUninitializedArray<byte>(size, pinned: true), sizeClass);
    }

    private static int SizeClassOf(int length)
    {
        if (length <= 1 << SmallestShift) return 0;
        int shift = 32 - System.Numerics.BitOperations.LeadingZeroCount((uint)length - 1);
        return shift > LargestShift ? Unpooled : shift - SmallestShift;
    }
}
